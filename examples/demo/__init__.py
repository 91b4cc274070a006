"""What `make demo` shows: a Tornado program, its native twin, and requests that end with tabs.

    python -m examples.demo --port=8888

The page has, side by side, `examples/chat` (unmodified, in a process of its own, started as
`python -m compat examples/chat/chat.py`) and `examples/native/chat.py`; below them, a request
that waits until its tab is closed, and the live tree of this process's tasks.

    __main__.py   the processes and servers        waiting.py   the request that waits
    pages.py      README and docs, to read on
"""
