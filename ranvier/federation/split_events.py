"""Cutting the lists of events out of an answer while it comes in, so that it is never in memory as a whole.

Spec: server-server API, `/state`: an object with the lists `pdus` and `auth_chain`, in any order. Nothing is known of who
sends it: what grows too large, or is no JSON, ends it.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

PIECE_BYTES: Final = 128 << 10
"""So much is looked at in one go."""
MAX_ELEMENT_BYTES: Final = 1 << 20
"""An event has 64 KiB at most, as canonical JSON; what else servers write beside it is let pass up to this."""

_array: Final = msgspec.json.Decoder(list[msgspec.Raw])
_token: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}\[\]"]', re.DOTALL)
_SPACE: Final = b" \t\r\n"


class NotEvents(Exception):
    """The answer is not an object with lists of events; the text says why, for people."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Some elements of one of the lists, each the JSON of an object."""

    name: str
    elements: list[bytes]


_Place = Literal["start", "key", "list", "end"]


class EventSplitter:
    """Cuts one answer. Holds no more than an element and a piece. `feed` it pieces, then `finish`."""

    def __init__(self, *names: str) -> None:
        """`names` are the keys of the lists; the values of all others are passed over."""
        self._names = frozenset(names)
        self._buffer = b""
        self._place: _Place = "start"
        self._name = ""
        self._is_first = True
        self._looked_at = 0
        self.seen: set[str] = set()
        """The lists that have begun."""

    def feed(self, piece: bytes) -> list[Cut]:
        """What is complete now. `piece` should not be much longer than `PIECE_BYTES`. Raises `NotEvents`."""
        self._buffer += piece
        # A sender that drips does not make us look at the same bytes again and again.
        if len(self._buffer) < max(PIECE_BYTES, 2 * self._looked_at):
            return []
        return self._cut()

    def finish(self) -> list[Cut]:
        """What is left. Raises `NotEvents` if the answer is not complete."""
        cuts = self._cut()
        if self._place != "end" or self._buffer.strip(_SPACE):
            raise NotEvents("the answer ends too early, or goes on behind its end")
        return cuts

    def _cut(self) -> list[Cut]:
        cuts: list[Cut] = []
        while self._place != "end":
            left = len(self._buffer)
            place = self._place
            if place == "list":
                self._cut_list(cuts)
            else:
                self._pass_key()
            if len(self._buffer) == left and self._place == place:
                break
        self._looked_at = len(self._buffer)
        if self._looked_at > MAX_ELEMENT_BYTES:
            raise NotEvents(f"something in the answer has more than {MAX_ELEMENT_BYTES} bytes")
        return cuts

    def _cut_list(self, cuts: list[Cut]) -> None:
        elements = self._quickly()
        if elements is None:
            elements = self._carefully()
        if elements:
            self._is_first = False
            cuts.append(Cut(self._name, elements))

    def _quickly(self) -> list[bytes] | None:
        """All elements but the last, by one decoding.

        A beginning of a list that becomes a list by a closing bracket is cut between two elements, for a cut within a
        string or an element leaves that open. So a wrong guess fails, and nothing else.
        """
        at = self._buffer.rfind(b"},{")
        if at < 0:
            return None
        head = self._buffer[: at + 1].lstrip(_SPACE)
        if not self._is_first:
            if head[:1] != b",":
                return None
            head = head[1:]
        try:
            elements = [bytes(raw) for raw in _array.decode(b"[%b]" % head)]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        if any(element[:1] != b"{" for element in elements):
            raise NotEvents(f"{self._name}: not a list of objects")
        self._buffer = self._buffer[at + 1 :]
        return elements

    def _carefully(self) -> list[bytes]:
        """As `_quickly`, token by token: around the end of a list, and where the guess was wrong."""
        buffer = self._buffer
        elements: list[bytes] = []
        start = end = depth = 0
        for token in _token.finditer(buffer):
            kind = buffer[token.start()]
            if kind == 0x22:  # "
                if token.end() - token.start() == 1:
                    break  # It is not closed yet.
                if not depth:
                    raise NotEvents(f"{self._name}: not a list of objects")
            elif kind in b"{[":
                if not depth:
                    self._check_between(buffer[end : token.start()], is_first=self._is_first and not elements)
                    if kind != 0x7B:
                        raise NotEvents(f"{self._name}: not a list of objects")
                    start = token.start()
                depth += 1
            elif depth:
                depth -= 1
                if not depth:
                    end = token.end()
                    elements.append(buffer[start:end])
            else:
                if kind != 0x5D or buffer[end : token.start()].strip(_SPACE):
                    raise NotEvents(f"{self._name}: does not end like a list")
                self._place, end = "key", token.end()
                break
        self._buffer = buffer[end:]
        return elements

    def _check_between(self, between: bytes, *, is_first: bool) -> None:
        if between.strip(_SPACE) != (b"" if is_first else b","):
            raise NotEvents(f"{self._name}: not a list of objects")

    def _pass_key(self) -> None:
        """Go on to the next list, or to the end; or stay, if what is between is not here as a whole."""
        buffer = self._buffer.lstrip(_SPACE)
        if not buffer:
            return
        opening = b"{" if self._place == "start" else b","
        if self._place == "key" and buffer[:1] == b"}":
            self._buffer, self._place = buffer[1:], "end"
            return
        if buffer[:1] != opening:
            raise NotEvents("the answer is not an object")
        rest = buffer[1:].lstrip(_SPACE)
        if self._place == "start" and rest[:1] == b"}":
            self._buffer, self._place = rest[1:], "end"
            return
        if not rest:
            return
        key = _token.match(rest)
        if rest[:1] != b'"' or key is None:
            raise NotEvents("the answer is not an object")
        after = rest[key.end() :].lstrip(_SPACE)
        if key.end() == 1 or not after:
            return
        if after[:1] != b":":
            raise NotEvents("the answer is not an object")
        self._begin(rest[: key.end()], after[1:].lstrip(_SPACE))

    def _begin(self, key: bytes, value: bytes) -> None:
        try:
            name = msgspec.json.decode(key, type=str)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise NotEvents(str(error)) from None
        if not value:
            return
        if name in self._names:
            if value[:1] != b"[" or name in self.seen:
                raise NotEvents(f"{name}: not one list")
            self.seen.add(name)
            self._name, self._is_first = name, True
            self._buffer, self._place = value[1:], "list"
            return
        end = _end_of_value(value)
        if end:
            self._buffer, self._place = value[end:], "key"


def _end_of_value(value: bytes) -> int:
    """Where a value that nobody wants ends, and 0 if it has not ended yet."""
    if value[:1] not in (b"{", b"[", b'"'):
        return next((at for at, byte in enumerate(value) if byte in b",}"), 0)
    depth = 0
    for token in _token.finditer(value):
        kind = value[token.start()]
        if kind == 0x22:
            if token.end() - token.start() == 1:
                return 0
        else:
            depth += 1 if kind in b"{[" else -1
        if not depth:
            return token.end()
    return 0
