"""Workers that share a socket leave connections to those that have fewer."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
import trio

from tornado_trio.net.listeners import accept_loop, bind_tcp_sockets
from tornado_trio.net.stream import Stream
from tornado_trio.service.balance import GAP, SharedListener
from tornado_trio.service.board import Board


class Worker:
    """Accepts from a shared socket, and keeps what it accepts."""

    def __init__(self, sock: socket.socket, board: Board) -> None:
        self.row = board.take()
        self.row.serving = True
        self.streams: list[Stream] = []
        self.accepts = True
        self.listener = SharedListener(
            sock.dup(), board, self.row, lambda: len(self.streams), lambda: self.accepts
        )

    async def run(self) -> None:
        await accept_loop(self.listener, self.streams.append)

    def close(self) -> None:
        self.listener.close()
        for stream in self.streams:
            stream.close()


@pytest.fixture
def board() -> Iterator[Board]:
    board = Board.create()
    yield board
    board.close()


@pytest.fixture
def sock() -> Iterator[socket.socket]:
    [sock] = bind_tcp_sockets(0, "127.0.0.1")
    with sock:
        yield sock


async def connect(sock: socket.socket, count: int) -> list[socket.socket]:
    return [socket.create_connection(sock.getsockname()) for _ in range(count)]


async def test_connections_are_shared_evenly(board: Board, sock: socket.socket) -> None:
    workers = [Worker(sock, board) for _ in range(3)]
    clients = await connect(sock, 60)
    async with trio.open_nursery() as nursery:
        for worker in workers:
            nursery.start_soon(worker.run)
        with trio.fail_after(30):
            while sum(len(worker.streams) for worker in workers) < 60:  # noqa: ASYNC110
                await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
    counts = [len(worker.streams) for worker in workers]
    assert max(counts) - min(counts) <= 2 * (GAP + 1), counts
    for closing in (*workers, *clients):
        closing.close()


async def test_a_busy_one_is_not_waited_for(board: Board, sock: socket.socket) -> None:
    worker, busy = Worker(sock, board), Worker(sock, board)
    clients = await connect(sock, 20)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(worker.run)  # the other never runs
        with trio.fail_after(30):
            while len(worker.streams) < 20:  # noqa: ASYNC110
                await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
    for closing in (worker, busy, *clients):
        closing.close()


async def test_at_the_end_all_that_waits_is_taken(board: Board, sock: socket.socket) -> None:
    worker, other = Worker(sock, board), Worker(sock, board)
    clients = await connect(sock, 20)
    worker.accepts = False
    while (stream := worker.listener.accept_nowait()) is not None:
        worker.streams.append(stream)
    assert len(worker.streams) == 20
    for closing in (worker, other, *clients):
        closing.close()
