"""Numbers that processes share."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from tornado_trio.service.board import ROWS, Board


def test_rows_are_taken_cleared_and_given_back() -> None:
    board = Board.create()
    rows = [board.take() for _ in range(ROWS)]
    assert [row.index for row in rows] == list(range(ROWS))
    with pytest.raises(IndexError):
        board.take()
    row = rows[7]
    row.connections, row.requests, row.serving = 3, 2**40, True
    row.live()
    assert (board[7].connections, board[7].requests, board[7].serving) == (3, 2**40, True)
    assert time.monotonic() - board[7].beat < 60
    assert board[6].connections == board[8].connections == 0
    assert len(board) == len(list(board)) == ROWS
    board.give_back(row)
    assert board.take() is row
    assert (row.beat, row.connections, row.requests, row.serving) == (0.0, 0, 0, False)
    board.close()


def test_another_process_sees_it() -> None:
    board = Board.create()
    code = (
        "import sys; from tornado_trio.service.board import Board\n"
        "board = Board(int(sys.argv[1]))\nassert len(board) == 5\n"
        "row = board[3]\nrow.requests += 1\nrow.live()\n"
    )
    for _ in range(5):
        board.take()
    board[3].requests = 41
    subprocess.run(
        [sys.executable, "-c", code, str(board.fd)],
        pass_fds=[board.fd],
        env={**os.environ, "PYTHONPATH": os.getcwd()},
        check=True,
        timeout=60,
    )
    assert board[3].requests == 42
    assert 0 <= time.monotonic() - board[3].beat < 60
    board.close()
