"""A server that costs next to nothing, for measuring clients. Usage: hello_server.py PORT"""

import selectors
import socket
import sys

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nContent-Type: text/plain\r\n"
BODY = b"Hello, world"


def main() -> None:
    selector = selectors.DefaultSelector()
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=1024)
    listener.setblocking(False)
    selector.register(listener, selectors.EVENT_READ)
    heads: dict[socket.socket, bytes] = {}
    while True:
        for key, _ in selector.select():
            peer = key.fileobj
            assert isinstance(peer, socket.socket)
            if peer is listener:
                client, _ = listener.accept()
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                heads[client] = b""
                selector.register(client, selectors.EVENT_READ)
                continue
            data = heads[peer] + (peer.recv(65536) or b"\r\n\r\n")
            if not data.endswith(b"\r\n\r\n"):
                heads[peer] = data
                continue
            close = b"close" in data.lower() or data == b"\r\n\r\n"
            heads[peer] = b""
            if data != b"\r\n\r\n":
                peer.sendall(ANSWER + (b"Connection: close\r\n\r\n" if close else b"\r\n") + BODY)
            if close:
                selector.unregister(peer)
                heads.pop(peer)
                peer.close()


if __name__ == "__main__":
    main()
