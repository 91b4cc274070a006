"""The load: keep-alive requests or websocket messages over raw sockets, from a process of its own.

    python load.py http PORT PATH CONNECTIONS SECONDS [FORM]
    python load.py websocket PORT PATH CONNECTIONS SECONDS SIZE
    python load.py broadcast PORT PATH CONNECTIONS SECONDS SIZE
    python load.py idle PORT PATH CONNECTIONS PID [websocket]

Prints answers per second and how many there were in all, or bytes of memory per idle connection.
Each connection has one request under way (no pipelining); in a broadcast the first one speaks
and all hear it. Websockets of /deflate send and get compressed messages. `wrk` is used for HTTP
when it is installed: it costs the machine a fraction of this.
"""

from __future__ import annotations

import itertools
import os
import re
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import zlib

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


WASTE = bytearray(1024 * 1024)


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
        if self.missing > 0:
            self.skip()
        else:
            data = self.socket.recv(65536)
            if not data:
                raise SystemExit("the server closed a connection")
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

    def skip(self) -> None:
        """Read what is missing, into room that is there: the client must not be what is slow."""
        count = self.socket.recv_into(WASTE)
        if not count:
            raise SystemExit("the server closed a connection")
        self.missing -= count

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
    """Sends one masked message and waits for the frame that comes back for it."""

    def __init__(self, port: int, path: str, size: int) -> None:
        super().__init__(port, b"")
        compressed = path == "/deflate"
        key = "dGhlIHNhbXBsZSBub25jZQ=="
        self.socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n{OFFER if compressed else ''}"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.socket.recv(1)
        if b" 101 " not in head or compressed != (b"permessage-deflate" in head):
            raise SystemExit(f"no such websocket: {head!r}")
        self.message = masked_message(size, compressed)

    def receive(self) -> bool:
        if self.missing < 0:
            data = self.socket.recv(65536)
            if not data:
                raise SystemExit("the server closed a websocket")
            self.buffer += data
            size = frame_size(self.buffer)
            if size < 0:
                return False
            self.missing = size - len(self.buffer)
            self.buffer = b""
        else:
            self.skip()
        if self.missing:
            return False
        self.missing = -1
        return True


# Without a context of ours, the same bytes are the same message every time.
OFFER = "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover\r\n"


def masked_message(size: int, compressed: bool) -> bytes:
    """A frame of a binary message of so many bytes, as clients send it."""
    rows = (b'{"id": %d, "title": "item %d", "done": false}' % (n, n * n) for n in range(size))
    payload = b"[" + b", ".join(itertools.islice(rows, size // 40 + 1))[: size - 2] + b"]"
    lead = 0x82
    if compressed:
        lead |= 0x40
        deflater = zlib.compressobj(wbits=-15)
        payload = deflater.compress(payload) + deflater.flush(zlib.Z_SYNC_FLUSH)
        payload = payload.removesuffix(b"\0\0\xff\xff")
    mask = b"\x01\x02\x03\x04"
    size = len(payload)
    if size < 126:
        head = bytes([lead, 0x80 | size])
    elif size < 65536:
        head = bytes([lead, 0xFE]) + size.to_bytes(2, "big")
    else:
        head = bytes([lead, 0xFF]) + size.to_bytes(8, "big")
    repeated = (mask * (size // 4 + 1))[:size]
    return head + mask + bytes(a ^ b for a, b in zip(payload, repeated, strict=True))


def frame_size(data: bytes) -> int:
    """Of the unmasked frame that begins so; -1: not known yet."""
    if len(data) < 2:
        return -1
    size = data[1]
    if size < 126:
        return 2 + size
    digits = 2 if size == 126 else 8
    if len(data) < 2 + digits:
        return -1
    return 2 + digits + int.from_bytes(data[2 : 2 + digits], "big")


def measure(
    connections: list[Connection], seconds: float, broadcast: bool = False
) -> tuple[float, int]:
    """Answers per second, after a fifth of the time as a warm-up, and all answers."""
    poll = select.epoll()
    by_number = {connection.socket.fileno(): connection for connection in connections}
    for number in by_number:
        poll.register(number, select.EPOLLIN)
    for connection in connections[:1] if broadcast else connections:
        connection.send()
    hearing = len(connections)  # that have not yet got what was said last
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
                if not broadcast:
                    connection.send()
                    continue
                hearing -= 1
                if not hearing:
                    hearing = len(connections)
                    connections[0].send()


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
    if kind in ("websocket", "broadcast"):
        size = int(sys.argv[6])
        sockets: list[Connection] = [WebSocket(port, path, size) for _ in range(count)]
        print(*measure(sockets, seconds, kind == "broadcast"))
        return
    form = sys.argv[6] if len(sys.argv) > 6 else None
    if shutil.which("wrk"):
        print(*wrk(port, path, count, seconds, form))
        return
    message = request_bytes(port, path, form)
    print(*measure([Connection(port, message) for _ in range(count)], seconds))


if __name__ == "__main__":
    main()
