"""Find runs of lines that stand in Tornado's source too: own_words.py [VERSION...]

CONTRIBUTING says that Tornado's source is not copied. Signatures and lists of names are its API,
and not ours to choose; so a run counts from six lines on, blanks and comments left out, of which
two or more are control flow. Exit status 1 if there is one: write it anew from the behaviour.
"""

from __future__ import annotations

import re
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from suite import DEFAULT_CACHE, sdist

ROOT = Path(__file__).parent.parent.parent
RELEASES = ("4.5.3", "5.1.1", "6.6.1")
RUN = 6  # lines
CHARACTERS = 90  # at least, or they are all brackets and `else:`
CONTROL_FLOW = re.compile(r"(?:if|elif|for|while|return|raise|with|yield|await|except)\b")
LEFT_OUT = re.compile(
    r"#|from |import |"
    r"(?:else:|try:|pass|return(?: None)?|\"\"\"|@[\w.]*|raise NotImplementedError(?:\(\))?)$"
)

Line = tuple[int, str]  # number, text
Run = tuple[str, ...]


def lines(source: str) -> list[Line]:
    texts = enumerate((" ".join(line.split()) for line in source.split("\n")), 1)
    return [(n, text) for n, text in texts if len(text) > 3 and not LEFT_OUT.match(text)]


def runs(source: str) -> Iterator[tuple[int, Run]]:
    """Every run of a file that counts, with the number of its first line."""
    kept = lines(source)
    for start in range(len(kept) - RUN + 1):
        run = tuple(text for _, text in kept[start : start + RUN])
        decisions = sum(CONTROL_FLOW.match(text) is not None for text in run)
        if decisions >= 2 and sum(map(len, run)) > CHARACTERS:
            yield kept[start][0], run


def upstream(release: str) -> dict[Run, str]:
    """Run -> where it stands in a release, its tests left out."""
    places: dict[Run, str] = {}
    with tarfile.open(sdist(release, Path(DEFAULT_CACHE).absolute())) as tar:
        for member in tar.getmembers():
            parts = PurePosixPath(member.name).parts
            if parts[1:2] != ("tornado",) or not member.name.endswith(".py") or "test" in parts:
                continue
            file = tar.extractfile(member)
            assert file is not None
            for number, run in runs(file.read().decode()):
                places.setdefault(run, f"{'/'.join(parts[1:])}:{number} of {release}")
    return places


def main(releases: list[str]) -> int:
    found = 0
    for release in releases:
        theirs = upstream(release)
        for path in [*ROOT.glob("compat/**/*.py"), *ROOT.glob("tornado_trio/**/*.py")]:
            last = -RUN
            for number, run in runs(path.read_text()):
                if run in theirs:
                    if number > last + 3:  # not the next line of the same run
                        found += 1
                        print(f"{path.relative_to(ROOT)}:{number} reads as {theirs[run]}")
                    last = number
    print(f"places that read like upstream's: {found}")
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or list(RELEASES)))
