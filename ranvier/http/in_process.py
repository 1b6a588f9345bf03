"""A request without a connection, for callers in the same process: tests, mostly."""

from collections.abc import Sequence

from ranvier.http.body import complete_body
from ranvier.http.exchange import Exchange
from ranvier.http.response import Header


class Collected:
    """A wire that ends here."""

    def __init__(self) -> None:
        self._head = b""
        self._parts: list[bytes] = []

    def answer(self, head: bytes, body: bytes) -> None:
        """The whole answer."""
        self._head = head
        self._parts.append(body)

    def begin_stream(self, head: bytes, *, is_chunked: bool) -> None:
        """The head."""
        self._head = head

    async def send(self, part: bytes) -> None:
        """A piece."""
        self._parts.append(part)

    def end_stream(self) -> None:
        """Nothing is missing."""

    def response(self) -> tuple[int, list[Header], bytes]:
        """Status, headers and body."""
        first, *lines = self._head.split(b"\r\n")
        headers = [(name, value) for name, colon, value in (line.partition(b": ") for line in lines) if colon]
        return int(first.split(b" ")[1]), headers, b"".join(self._parts)


def exchange_of(collected: Collected, method: str, target: str, headers: Sequence[Header], content: bytes) -> Exchange:
    """The exchange of a request that is complete, from this machine."""
    path, _, query_string = target.encode("ascii").partition(b"?")
    exchange = Exchange(
        collected,
        method,
        path,
        query_string,
        list(headers),
        http_version="1.1",
        client_ip="127.0.0.1",
        scheme="http",
        keep_alive=True,
    )
    if content:
        exchange.body = complete_body(content)
    return exchange
