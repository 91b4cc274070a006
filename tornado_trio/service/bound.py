"""`BoundSockets`: the sockets a parent has bound for its workers. Knows addresses and requests for
them."""

from __future__ import annotations

import socket

from .addresses import service_sockets
from .channel import Message
from .settings import Settings

__all__ = ["BoundSockets"]


class BoundSockets:
    """Listening sockets by address; workers that request the same address get the same sockets."""

    def __init__(self) -> None:
        self._by_question: dict[str, list[socket.socket]] = {}

    def bind(self, question: Message) -> list[socket.socket]:
        """The sockets for a worker's request; bound at the first one.

        Raises:
            CannotStart: it cannot listen there.
        """
        key = repr(sorted(question.items()))
        sockets = self._by_question.get(key)
        if sockets is None:
            place = Settings(**{name: question[name] for name in ("host", "port", "unix", "fd")})
            sockets = service_sockets(place, question["serve_port"], question["serve_host"])
            self._by_question[key] = sockets
        return sockets

    def close(self) -> None:
        """Close this process's descriptors; workers have their own."""
        for sockets in self._by_question.values():
            for sock in sockets:
                sock.close()
        self._by_question.clear()
