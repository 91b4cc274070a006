"""Messages between a parent and a worker: JSON lines over a socket pair, and descriptors.

Knows sockets. Two pairs connect them: over `control` either side sends messages at any time and
reads in a task; over `broker` the worker makes requests, and blocks until the parent has answered.
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import AsyncIterator
from typing import Any

import trio

if sys.platform == "win32":
    raise ImportError("Windows passes no descriptors")

__all__ = ["Message", "answer", "ask", "messages", "say"]

Message = dict[str, Any]

ANSWER_WITHIN = 30.0  # seconds; binding asks no network but a name server's
_MAX_LINE = 1024 * 1024  # a traceback is the longest thing said
_MAX_FDS = 64


def say(sock: socket.socket, message: Message) -> bool:
    """Send a message without waiting; False if the other side has gone, or does not read."""
    try:
        sock.sendall(json.dumps(message).encode() + b"\n")
    except OSError:
        return False  # gone, or (a full buffer of a non-blocking socket) stuck
    return True


async def messages(sock: trio.socket.SocketType) -> AsyncIterator[Message]:
    """The messages of the other side, until it has gone."""
    rest = b""
    while True:
        try:
            data = await sock.recv(65536)
        except OSError:
            return  # reset: as good as the end
        if not data or len(rest) > _MAX_LINE:
            return
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            yield json.loads(line)


def ask(sock: socket.socket, question: Message) -> tuple[Message, list[socket.socket]]:
    """Make a request; returns the answer, and the sockets that came with it. Blocks.

    Raises:
        ConnectionError: the other side is gone.
    """
    sock.settimeout(ANSWER_WITHIN)
    try:
        if not say(sock, question):
            raise ConnectionError("the parent process is gone")
        text, fds = b"", []
        while not text.endswith(b"\n"):
            data, received, _, _ = socket.recv_fds(sock, 65536, _MAX_FDS)
            fds += received
            if not data:
                raise ConnectionError("the parent process is gone")
            text += data
    finally:
        sock.settimeout(None)
    return json.loads(text), [socket.socket(fileno=fd) for fd in fds]


def answer(sock: socket.socket, reply: Message, sockets: list[socket.socket]) -> bool:
    """Answer a request with sockets; False if the worker has gone."""
    data = json.dumps(reply).encode() + b"\n"
    try:
        if sockets:
            socket.send_fds(sock, [data], [each.fileno() for each in sockets])
        else:
            sock.sendall(data)
    except OSError:
        return False
    return True
