"""`multipart/mixed` as servers exchange media: two parts, the second perhaps large. RFC 2046, section 5.1.

Spec: server-server API, "Content Repository". Sans I/O: bytes are fed in as they come, and what they mean comes out.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

MAX_HEAD_BYTES: Final = 16_384
_BOUNDARY: Final = re.compile(r';\s*boundary\s*=\s*(?:"([^"]{1,200})"|([^;"\s]{1,200}))', re.IGNORECASE)


class NotMultipart(ValueError):
    """What came has not the form."""


Piece = Mapping[str, str] | bytes
"""The headers of a part that begins (names in lower case), or some of its content."""


def boundary_of(content_type: str) -> str | None:
    """The boundary that the header names; `None` if this is no `multipart/mixed`."""
    if content_type.partition(";")[0].strip().lower() != "multipart/mixed":
        return None
    match = _BOUNDARY.search(content_type)
    return None if match is None else (match[1] or match[2])


class MixedReader:
    """Reads one body."""

    def __init__(self, boundary: str) -> None:
        self._delimiter = b"\r\n--" + boundary.encode("latin-1", "replace")
        # The first boundary has no line before it.
        self._buffer = bytearray(b"\r\n")
        self._in_head = False
        self._in_part = False
        self.is_complete = False
        """Whether the last boundary has come."""

    def feed(self, data: bytes) -> Iterator[Piece]:
        """What is known now. Read it to its end. Raises `NotMultipart`."""
        self._buffer += data
        while not self.is_complete:
            if self._in_head:
                head = self._head()
                if head is None:
                    return
                yield head
                continue
            at = self._buffer.find(self._delimiter)
            if at < 0:
                ready = max(0, len(self._buffer) - len(self._delimiter))
                yield from self._content(ready)
                return
            yield from self._content(at)
            if not self._boundary_line():
                return

    def _content(self, size: int) -> Iterator[bytes]:
        content = bytes(self._buffer[:size])
        del self._buffer[:size]
        if content and self._in_part:
            yield content

    def _boundary_line(self) -> bool:
        """Whether the line that begins with the delimiter has come."""
        after = len(self._delimiter)
        if self._buffer[after : after + 2] == b"--":
            self.is_complete = True
            self._buffer.clear()
            return False
        end = self._buffer.find(b"\r\n", after)
        if end < 0:
            if len(self._buffer) > after + MAX_HEAD_BYTES:
                raise NotMultipart("a boundary without an end")
            return False
        # The line's end is left: with it an empty head is two of them.
        del self._buffer[:end]
        self._in_head = True
        return True

    def _head(self) -> Mapping[str, str] | None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > MAX_HEAD_BYTES:
                raise NotMultipart("the head of a part is too long")
            return None
        lines = bytes(self._buffer[:end]).decode("latin-1").split("\r\n")
        del self._buffer[: end + 4]
        # What follows may be the next boundary at once, whose line end was the head's.
        if self._buffer[: len(self._delimiter) - 2] == self._delimiter[2:]:
            self._buffer[:0] = b"\r\n"
        self._in_head, self._in_part = False, True
        split = (line.partition(":") for line in lines if ":" in line)
        return {name.strip().lower(): value.strip() for name, _, value in split}


def write_frame(boundary: str, content_type: str, disposition: str) -> tuple[bytes, bytes]:
    """What stands before a medium's content, and after it: with them it is the whole body."""
    before = (
        f"--{boundary}\r\nContent-Type: application/json\r\n\r\n{{}}\r\n"
        f"--{boundary}\r\nContent-Type: {content_type}\r\nContent-Disposition: {disposition}\r\n\r\n"
    )
    return before.encode("latin-1"), f"\r\n--{boundary}--\r\n".encode("latin-1")
