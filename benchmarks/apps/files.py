"""Static files of 1 KB and 1 MB, and a streamed response of 64 chunks. Usage: files.py PORT"""

import os
import sys
import tempfile

import tornado.ioloop
import tornado.web


class Stream(tornado.web.RequestHandler):
    chunk = b"x" * 4096

    async def get(self):
        for _ in range(64):
            self.write(self.chunk)
            await self.flush()


def main():
    with tempfile.TemporaryDirectory() as root:
        for name, size in [("small.txt", 1024), ("big.bin", 1 << 20)]:
            with open(os.path.join(root, name), "wb") as file:
                file.write(b"y" * size)
        app = tornado.web.Application([(r"/stream", Stream)], static_path=root)
        app.listen(int(sys.argv[1]), "127.0.0.1")
        tornado.ioloop.IOLoop.current().start()


if __name__ == "__main__":
    main()
