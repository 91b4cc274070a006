"""Clients that ask again and again over connections that they keep, and count what is lost."""

from __future__ import annotations

import collections
import socket
import threading
import time


class Load:
    """Some clients in threads; each reconnects when it is told that the connection ends."""

    def __init__(self, port: int, clients: int = 8, path: str = "/") -> None:
        self.address = ("127.0.0.1", port)
        self.request = f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
        self.answered: collections.Counter[str] = collections.Counter()
        self.lost: list[str] = []
        self.refused = 0
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._client) for _ in range(clients)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(60)

    @property
    def total(self) -> int:
        return sum(self.answered.values())

    def until(self, total: int, seconds: float = 60) -> None:
        """Wait until so many were answered, or clients have given up."""
        deadline = time.monotonic() + seconds
        while self.total < total and any(thread.is_alive() for thread in self._threads):
            assert time.monotonic() < deadline, (self.total, self.lost)
            time.sleep(0.01)

    def _client(self) -> None:
        while not self._stop.is_set():
            try:
                sock = socket.create_connection(self.address, timeout=30)
            except OSError as error:
                with self._lock:
                    self.refused += 1
                    self.lost.append(repr(error))
                return
            with sock:
                self._keep_asking(sock)

    def _keep_asking(self, sock: socket.socket) -> None:
        pid = "nobody"
        while not self._stop.is_set():
            try:
                sock.sendall(self.request)
                answer = sock.recv(65536)
            except OSError as error:
                answer = b""
                reason = repr(error)
            else:
                reason = "closed"
            if not answer.startswith(b"HTTP/1.1 200"):
                with self._lock:
                    self.lost.append(f"{pid}: {answer[:60]!r} {reason}")
                return
            pid = answer.rpartition(b" ")[2].decode()
            with self._lock:
                self.answered[pid] += 1
            if b"\r\nConnection: close\r\n" in answer:
                return
