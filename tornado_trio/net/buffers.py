"""Byte buffers of a stream. Sans-IO: knows bytes, must not know sockets, trio or tasks.

Used by the native `Stream` and compat's `IOStream`.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, final

from .._util.late import later
from ..errors import ReadLimitError

if TYPE_CHECKING:
    from . import patterns
else:
    patterns = later("tornado_trio.net.patterns", globals())

# Pieces up to this size are copied together into one block, so that many small writes
# become one send. Larger ones are kept as they are: copying them costs more than a
# second system call.
_COALESCE_BELOW = 8 * 1024
# Copying a line twice (0.3 µs) is faster than making a view of it (0.8 µs).
_SLICE_BELOW = 1024
# A block that has grown to this size is not appended to any more. One send rarely takes
# more than this from a non-blocking socket.
_BLOCK_SIZE = 64 * 1024

Data = bytes | bytearray | memoryview


@final
class ReadBuffer:
    """Bytes received and not yet read.

    `bytearray` deletes from its front in constant time (it moves its start), so taking is
    one copy of what is taken. The search for a delimiter resumes where the last one ended:
    a line that arrives byte by byte costs linear time.
    """

    __slots__ = ("_data", "_scan_for", "_scanned")

    def __init__(self) -> None:
        self._data = bytearray()
        self._scanned = 0
        self._scan_for: bytes | re.Pattern[bytes] | None = None

    def __len__(self) -> int:
        return len(self._data)

    def __repr__(self) -> str:
        return f"<ReadBuffer {len(self._data)} bytes>"

    def append(self, data: Data) -> None:
        """Add `data` behind what is there."""
        self._data += data

    def prepend(self, data: Data) -> None:
        """Put `data` in front: it is what will be taken next."""
        self._scanned = 0
        self._data[:0] = data

    def clear(self) -> None:
        """Forget everything."""
        self._scanned = 0
        self._data = bytearray()

    def edit(self) -> bytearray:
        """The bytes themselves, to be read or changed before anything is taken or added."""
        self._scanned = 0
        return self._data

    def take(self, max_bytes: int) -> bytes:
        """Remove and return at most `max_bytes` from the front (empty if there is nothing)."""
        self._scanned = 0
        data = self._data
        if len(data) <= max_bytes:
            self._data = bytearray()
            return bytes(data)
        if max_bytes <= _SLICE_BELOW:
            taken = bytes(data[:max_bytes])
        else:
            with memoryview(data) as view:
                taken = bytes(view[:max_bytes])
        del data[:max_bytes]
        return taken

    def take_all(self) -> bytes:
        """Remove and return everything."""
        return self.take(len(self._data))

    def take_exactly(self, count: int) -> bytes | None:
        """Remove and return `count` bytes, or None while there are fewer."""
        return self.take(count) if len(self._data) >= count else None

    def take_into(self, target: memoryview) -> int:
        """Move as much as fits into `target`; returns how many bytes."""
        self._scanned = 0
        data = self._data
        count = min(len(data), len(target))
        if count:
            with memoryview(data) as view:
                target[:count] = view[:count]
            del data[:count]
        return count

    def take_until(self, delimiter: bytes, max_bytes: int | None = None) -> bytes | None:
        """Remove and return everything up to the end of the `find` match; None while there is
        none."""
        if max_bytes is None and self._scan_for == delimiter:
            # The next of many lines, which is here already: a call less.
            data = self._data
            at = data.find(delimiter, self._scanned)
            if at >= 0:
                end = at + len(delimiter)
                if end > _SLICE_BELOW:
                    return self.take(end)
                self._scanned = 0  # `take`, without the call
                taken = bytes(data[:end])
                del data[:end]
                return taken
        found = self.find(delimiter, max_bytes)
        return None if found is None else self.take(found)

    def take_match(self, pattern: re.Pattern[bytes], max_bytes: int | None = None) -> bytes | None:
        """The same with `find_regex`."""
        end = self.find_regex(pattern, max_bytes)
        return None if end is None else self.take(end)

    def find(self, delimiter: bytes, max_bytes: int | None = None) -> int | None:
        """The number of bytes up to and with the first `delimiter`; None if it has not arrived.

        Raises:
          ReadLimitError: they, or without a delimiter all buffered bytes, exceed `max_bytes`.
        """
        if self._scan_for != delimiter:
            self._scan_for = delimiter
            self._scanned = 0
        at = self._data.find(delimiter, self._scanned)
        if at >= 0:
            end = at + len(delimiter)
            if max_bytes is not None:
                self._check(end, max_bytes, delimiter)
            return end
        self._scanned = max(0, len(self._data) - len(delimiter) + 1)
        self._check(len(self._data), max_bytes, delimiter)
        return None

    def find_regex(self, pattern: re.Pattern[bytes], max_bytes: int | None = None) -> int | None:
        """As `find`, to the end of the first match of `pattern`.

        A pattern whose matches have a greatest length (`\\r?\\n\\r?\\n`) resumes, too. Others
        (`.*x`) are searched from the front with each chunk that contains the byte they end with:
        set a limit when the peer is not trusted.
        """
        data = self._data
        if self._scan_for is not pattern:
            self._scan_for = pattern
            self._scanned = 0
        scanned = self._scanned
        reach = patterns.reach_of(pattern) if scanned else None
        start = 0 if reach is None or reach.width is None else max(0, scanned - reach.width)
        if reach is None or reach.last is None or data.find(reach.last, scanned) >= 0:
            match = pattern.search(data, start)
            if match is not None:
                end = match.end()
                # A match object keeps the bytearray exported, and an exported one cannot shrink.
                del match
                self._check(end, max_bytes, pattern.pattern)
                return end
        self._check(len(data), max_bytes, pattern.pattern)
        self._scanned = len(data)
        return None

    @staticmethod
    def _check(size: int, max_bytes: int | None, wanted: bytes) -> None:
        if max_bytes is not None and size > max_bytes:
            raise ReadLimitError(f"delimiter {wanted!r} not found within {max_bytes} bytes")


@final
class WriteBuffer:
    """Bytes to be sent, in order, in blocks for one send each.

    Small pieces are copied into a common block. A large `bytes` object is kept without a
    copy; a large `bytearray` or `memoryview` is copied once, for its owner may change it.
    """

    __slots__ = ("_blocks", "_offset", "_size")

    def __init__(self) -> None:
        # The deque (over 600 bytes) is made with the first block: most connections never
        # have one, because the kernel takes the whole response.
        self._blocks: deque[bytes | bytearray] | None = None
        self._offset = 0  # bytes of the first block that are already sent
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __repr__(self) -> str:
        return f"<WriteBuffer {self._size} bytes in {len(self._blocks or ())} blocks>"

    def append(self, data: Data) -> None:
        """Add `data` behind what is there. No view of `peek` may be alive."""
        size = data.nbytes if isinstance(data, memoryview) else len(data)
        if not size:
            return
        self._size += size
        blocks = self._blocks
        if blocks is None:
            blocks = self._blocks = deque()
        if size <= _COALESCE_BELOW:
            last = blocks[-1] if blocks else None
            if isinstance(last, bytearray) and len(last) + size <= _BLOCK_SIZE:
                last += data
            else:
                blocks.append(bytearray(data))
        else:
            blocks.append(data if type(data) is bytes else bytes(data))

    def peek(self) -> memoryview:
        """The first block's unsent bytes. Release the view before anything else is done.

        Two calls with nothing sent between return the same bytes or more, which is what
        OpenSSL wants when a write is repeated.
        """
        assert self._blocks
        return memoryview(self._blocks[0])[self._offset :]

    def advance(self, count: int) -> None:
        """`count` bytes of the last `peek` are sent."""
        blocks = self._blocks
        assert blocks
        self._size -= count
        self._offset += count
        if self._offset >= len(blocks[0]):
            self._offset = 0
            blocks.popleft()
            if not blocks:
                self._blocks = None

    def flush(self, send: Callable[[memoryview], int], short_means_full: bool = False) -> int:
        """Send by `send`, which says how much it took, until it takes nothing; how much in all.

        With `short_means_full`, a part taken of a block is known to mean the same. `send` may clear
        the buffer (its stream broke). What it raises leaves the block unsent.
        """
        total = 0
        while self._size:
            with self.peek() as view:
                sent = send(view)
                short = sent < len(view)
            if not sent or not self._size:
                break
            self.advance(sent)
            total += sent
            if short and short_means_full:
                break
        return total

    def take_all(self) -> bytes:
        """Remove and return what is unsent."""
        data = b"".join(self._blocks or ())[self._offset :]
        self.clear()
        return data

    def clear(self) -> None:
        """Drop everything."""
        self._blocks = None
        self._offset = 0
        self._size = 0
