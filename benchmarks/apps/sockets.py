"""A WebSocket server for measuring: /echo, /deflate (echo, compressed), /room (broadcast)."""

import sys

import tornado.ioloop
import tornado.web
import tornado.websocket


class Echo(tornado.websocket.WebSocketHandler):
    def on_message(self, message):
        self.write_message(message, binary=isinstance(message, bytes))


class Deflate(Echo):
    def get_compression_options(self):
        return {}


class Room(tornado.websocket.WebSocketHandler):
    peers = set()

    def open(self):
        self.peers.add(self)

    def on_close(self):
        self.peers.discard(self)

    def on_message(self, message):
        for peer in self.peers:
            peer.write_message(message)


if __name__ == "__main__":
    app = tornado.web.Application([("/echo", Echo), ("/deflate", Deflate), ("/room", Room)])
    app.listen(int(sys.argv[1]), "127.0.0.1")
    tornado.ioloop.IOLoop.current().start()
