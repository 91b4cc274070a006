"""Callbacks of the loop per second, chained. Usage: callbacks.py soon|later|never

soon: `add_callback`; later: `call_later` without a delay; never: `call_later` in a minute, a
hundred at a time, and removed.
"""

import sys
import time

from tornado.ioloop import IOLoop


def chained(schedule, count):
    loop = IOLoop.current()
    left = count

    def step():
        nonlocal left
        left -= 1
        if left:
            schedule(step)
        else:
            loop.stop()

    schedule(step)
    loop.start()


def soon(count):
    chained(IOLoop.current().add_callback, count)


def later(count):
    call_later = IOLoop.current().call_later
    chained(lambda step: call_later(0, step), count)


def never(count):
    loop = IOLoop.current()
    for _ in range(count // 100):
        for handle in [loop.call_later(60, print) for _ in range(100)]:
            loop.remove_timeout(handle)
        loop.run_sync(lambda: None)


def main():
    function = globals()[sys.argv[1]]
    function(1000)
    start = time.process_time()
    function(100000)
    print(100000 / (time.process_time() - start))


if __name__ == "__main__":
    main()
