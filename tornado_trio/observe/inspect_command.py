"""`tornado-trio inspect URL`: the task tree of a service in the terminal. Knows its `/tree`."""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.parse
import urllib.request

__all__ = ["inspect_command"]

USAGE = """\
usage: tornado-trio inspect [--frames] [--find TEXT] [--token TOKEN] URL

Shows what each task of a service does, and where it waits: of one that runs with
inspect=127.0.0.1:9200, `tornado-trio inspect 127.0.0.1:9200`.

  --frames       all frames of each task, outermost first
  --find TEXT    only tasks with this in their name, file or function
  --token TOKEN  what one has to know (also by TORNADO_TRIO_INSPECT_TOKEN)
"""
SECONDS = 30.0


def inspect_command(arguments: list[str]) -> int:
    """Print the tree. Returns the exit status: 0, 1 if there is no answer, 2 for wrong
    arguments."""
    query: dict[str, str] = {}
    token = os.environ.get("TORNADO_TRIO_INSPECT_TOKEN")
    rest = list(arguments)
    urls = []
    while rest:
        word = rest.pop(0)
        if word in ("-h", "--help"):
            print(USAGE, end="")
            return 0
        if word == "--frames":
            query["frames"] = "1"
        elif word in ("--find", "--token") and rest:
            if word == "--find":
                query["find"] = rest.pop(0)
            else:
                token = rest.pop(0)
        elif word.startswith("-"):
            return _wrong(f"no option {word!r}, or its value is missing")
        else:
            urls.append(word)
    if len(urls) != 1:
        return _wrong("one address is needed")
    url = urls[0] if "://" in urls[0] else f"http://{urls[0]}"
    address = f"{url.rstrip('/')}/tree?{urllib.parse.urlencode(query)}"
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    try:
        request = urllib.request.Request(address, headers=headers)
        # Straight to it: the proxy of the environment knows nothing of this machine's loopback.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=SECONDS) as answer:
            sys.stdout.write(answer.read().decode("utf-8", "replace"))
    except urllib.error.HTTPError as error:
        print(f"tornado-trio inspect: {url}: {error.code} {error.reason}", file=sys.stderr)
        return 1
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        print(f"tornado-trio inspect: {url}: {reason}", file=sys.stderr)
        return 1
    return 0


def _wrong(text: str) -> int:
    print(f"{USAGE}\ntornado-trio inspect: error: {text}", file=sys.stderr)
    return 2
