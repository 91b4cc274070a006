"""The load: keep-alive requests or websocket messages over raw sockets, from a process of its own.

    python load.py http PORT PATH CONNECTIONS SECONDS [FORM]
    python load.py websocket PORT PATH CONNECTIONS SECONDS SIZE
    python load.py idle PORT PATH CONNECTIONS PID [websocket]

Prints answers per second and how many there were in all, or bytes of memory per idle connection.
Each connection has one request under way (no pipelining). `wrk` is used for HTTP
when it is installed: it costs the machine a fraction of this.
"""

from __future__ import annotations

import os
import re
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time

LENGTH = re.compile(rb"\r\nContent-Length: *(\d+)", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\nTransfer-Encoding: *chunked", re.IGNORECASE)


def request_bytes(port: int, path: str, form: str | None) -> bytes:
    head = f"Host: 127.0.0.1:{port}\r\nUser-Agent: load\r\nAccept: */*\r\n"
    if form is None:
        return f"GET {path} HTTP/1.1\r\n{head}\r\n".encode()
    body = form.encode()
    kind = "Content-Type: application/x-www-form-urlencoded\r\n"
    head += f"{kind}Content-Length: {len(body)}\r\n"
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body


class Connection:
    """One socket with one request or message under way."""

    def __init__(self, port: int, message: bytes) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.message = message
        self.buffer = b""
        self.missing = -1  # bytes of the answer still to come; -1: not known yet
        self.chunked = False

    def send(self) -> None:
        self.socket.sendall(self.message)

    def receive(self) -> bool:
        """Read what has come; True when the answer is complete."""
        data = self.socket.recv(262144)
        if not data:
            raise SystemExit("the server closed a connection")
        if self.missing > 0:
            self.missing -= len(data)
        else:
            self.buffer += data
            if not self.chunked and self.missing < 0 and not self.look():
                return False
        if self.chunked:
            if not self.buffer.endswith(b"0\r\n\r\n"):
                self.buffer = self.buffer[-8:]
                return False
        elif self.missing > 0:
            return False
        self.buffer, self.missing, self.chunked = b"", -1, False
        return True

    def look(self) -> bool:
        """Find out how long the answer is; True when that is known."""
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        if not self.buffer.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"unexpected answer: {self.buffer[:200]!r}")
        length = LENGTH.search(self.buffer, 0, end + 2)
        if length is not None:
            self.missing = end + 4 + int(length[1]) - len(self.buffer)
        elif CHUNKED.search(self.buffer, 0, end + 2):
            self.chunked = True
        else:
            raise SystemExit("an answer without a length")
        return True


class WebSocket(Connection):
    """Sends one masked message and waits for as many bytes as come back for it."""

    def __init__(self, port: int, path: str, size: int) -> None:
        super().__init__(port, b"")
        key = "dGhlIHNhbXBsZSBub25jZQ=="
        self.socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.socket.recv(1)
        if b" 101 " not in head:
            raise SystemExit(f"no websocket: {head!r}")
        mask = b"\x01\x02\x03\x04"
        if size < 126:
            length, marked = bytes([size]), bytes([0x80 | size])
        elif size < 65536:
            length = b"\x7e" + size.to_bytes(2, "big")
            marked = b"\xfe" + size.to_bytes(2, "big")
        else:
            length = b"\x7f" + size.to_bytes(8, "big")
            marked = b"\xff" + size.to_bytes(8, "big")
        self.message = b"\x82" + marked + mask + b"z" * size
        self.answer = 1 + len(length) + size

    def receive(self) -> bool:
        if self.missing < 0:
            self.missing = self.answer
        data = self.socket.recv(262144)
        if not data:
            raise SystemExit("the server closed a websocket")
        self.missing -= len(data)
        if self.missing:
            return False
        self.missing = -1
        return True


def measure(connections: list[Connection], seconds: float) -> tuple[float, int]:
    """Answers per second, after a fifth of the time as a warm-up, and all answers."""
    poll = select.epoll()
    by_number = {connection.socket.fileno(): connection for connection in connections}
    for number in by_number:
        poll.register(number, select.EPOLLIN)
    for connection in connections:
        connection.send()
    begin = time.perf_counter() + seconds / 5
    end = begin + seconds
    answers, warm_up, counting = 0, 0, False
    started = begin
    while True:
        now = time.perf_counter()
        if not counting and now >= begin:
            answers, warm_up, counting, started = 0, answers, True, now
        if now >= end:
            return answers / (now - started), warm_up + answers
        events = poll.poll(5)
        if not events:
            raise SystemExit("no answer within five seconds")
        for number, _ in events:
            connection = by_number[number]
            if connection.receive():
                answers += 1
                connection.send()


def wrk(
    port: int, path: str, connections: int, seconds: float, form: str | None
) -> tuple[float, int]:
    command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s"]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        if form is not None:
            script.write(
                f'wrk.method = "POST"\nwrk.body = "{form}"\n'
                'wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"\n'
            )
            script.flush()
            command += ["-s", script.name]
        url = f"http://127.0.0.1:{port}{path}"
        done = subprocess.run([*command, url], capture_output=True, text=True, check=True)
    if "Non-2xx" in done.stdout:
        raise SystemExit(done.stdout)
    found = re.search(r"Requests/sec: +([\d.]+)", done.stdout)
    total = re.search(r"(\d+) requests in", done.stdout)
    if found is None or total is None:
        raise SystemExit(done.stdout)
    return float(found[1]), int(total[1])


def memory(pid: int) -> int:
    """Resident memory of a process, in bytes (Linux)."""
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def idle(port: int, path: str, count: int, pid: int, websocket: bool) -> float:
    """Bytes per connection that has been answered once and now waits."""
    message = request_bytes(port, path, None)

    def open_some(number: int) -> list[Connection]:
        if websocket:
            opened: list[Connection] = [WebSocket(port, path, 100) for _ in range(number)]
        else:
            opened = [Connection(port, message) for _ in range(number)]
        for connection in opened:
            connection.send()
            while not connection.receive():
                pass
        return opened

    first = open_some(100)  # what the process needs for any connection at all
    time.sleep(0.3)
    before = memory(pid)
    more = open_some(count)
    time.sleep(0.3)
    after = memory(pid)
    del first, more
    return (after - before) / count


def main() -> None:
    kind, port, path, count = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    if kind == "idle":
        print(idle(port, path, count, int(sys.argv[5]), "websocket" in sys.argv[6:]))
        return
    seconds = float(sys.argv[5])
    if kind == "websocket":
        size = int(sys.argv[6])
        print(*measure([WebSocket(port, path, size) for _ in range(count)], seconds))
        return
    form = sys.argv[6] if len(sys.argv) > 6 else None
    if shutil.which("wrk"):
        print(*wrk(port, path, count, seconds, form))
        return
    message = request_bytes(port, path, form)
    print(*measure([Connection(port, message) for _ in range(count)], seconds))


if __name__ == "__main__":
    main()
