"""Other servers that answer what a test says."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import unquote

from ranvier.federation.client import FederationClient, RemoteError, Unreachable
from ranvier.proto.canonical_json import decode_lenient, encode_lenient


@dataclass(frozen=True)
class Question:
    """One request that was made."""

    server: str
    method: str
    segments: tuple[str, ...]
    """Of the path, after `/_matrix/federation/v1`."""
    query: Mapping[str, str]
    content: Any


Answering = Callable[[Question], Awaitable[Any]]


@dataclass
class Elsewhere:
    """Servers by name; others are not to be reached."""

    servers: dict[str, Answering] = field(default_factory=dict)
    asked: list[Question] = field(default_factory=list)

    def answers(self, server: str, value: Any) -> None:
        """The server answers everything with this."""

        async def answer(_: Question) -> Any:
            return value

        self.servers[server] = answer

    def refuses(self, server: str, status: int, errcode: str) -> None:
        """The server answers everything with this error."""

        async def answer(_: Question) -> Any:
            raise refusal(status, errcode)

        self.servers[server] = answer

    @property
    def client(self) -> FederationClient:
        """Asks these servers."""
        return cast(FederationClient, _Client(self))


def refusal(status: int, errcode: str) -> RemoteError:
    """An error of another server."""
    return RemoteError(status, errcode, "because", body={"errcode": errcode, "error": "because"})


class _Client:
    def __init__(self, elsewhere: Elsewhere) -> None:
        self._elsewhere = elsewhere

    async def get(self, server: str, path: str, *, query: Sequence[tuple[str, str]] = (), **_: object) -> Any:
        return await self._ask(server, "GET", path, query, None)

    async def post(
        self, server: str, path: str, *, content: Any, query: Sequence[tuple[str, str]] = (), **_: object
    ) -> Any:
        return await self._ask(server, "POST", path, query, decode_lenient(encode_lenient(content)))

    async def _ask(self, server: str, method: str, path: str, query: Sequence[tuple[str, str]], content: Any) -> Any:
        segments = tuple(unquote(segment) for segment in path.removeprefix("/_matrix/federation/v1/").split("/"))
        question = Question(server, method, segments, dict(query), content)
        self._elsewhere.asked.append(question)
        if server not in self._elsewhere.servers:
            raise Unreachable(f"{server} is down")
        return decode_lenient(encode_lenient(await self._elsewhere.servers[server](question)))
