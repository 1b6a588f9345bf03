"""Names for requests, by which one finds everything the log says about one of them."""

import itertools
from collections.abc import Sequence

_MAX_LENGTH = 128


class RequestIds:
    """Numbers requests: `PUT-1000`. With `header` the value of that request header is the id, where there is one."""

    def __init__(self, *, header: str | None = None) -> None:
        self._header = None if header is None else header.lower().encode("latin-1")
        self._numbers = itertools.count(1)

    def take(self, method: str, headers: Sequence[tuple[bytes, bytes]]) -> str:
        """The id of the next request."""
        if self._header is not None:
            for name, value in headers:
                if name == self._header and value:
                    # The value goes into log lines: nothing in it may start a new one.
                    text = value[:_MAX_LENGTH].decode("latin-1")
                    return "".join(char if char.isprintable() else "?" for char in text)
        return f"{method}-{next(self._numbers)}"
