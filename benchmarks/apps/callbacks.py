"""Callbacks of the loop per second, chained. Prints one number."""

import time

from tornado.ioloop import IOLoop


def run(count):
    loop = IOLoop.current()
    left = count

    def step():
        nonlocal left
        left -= 1
        if left:
            loop.add_callback(step)
        else:
            loop.stop()

    loop.add_callback(step)
    loop.start()


def main():
    run(1000)
    start = time.process_time()
    run(100000)
    print(100000 / (time.process_time() - start))


if __name__ == "__main__":
    main()
