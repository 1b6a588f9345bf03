"""A homeserver with a media store, and people who upload to it and download from it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.api.asgi import Answer, Client
from tests.api.homeserver import Homeserver, running

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360f8cfc00000000301010018dd8db00000000049454e44ae426082"
)


@asynccontextmanager
async def with_media(folder: Path, /, **options: Any) -> AsyncIterator[Homeserver]:
    """A server on SQLite whose media are in this folder."""
    database = {"name": "sqlite3", "args": {"database": str(folder / "homeserver.db")}}
    limits = {"rc_media_create": {"per_second": 10_000, "burst_count": 10_000}}
    async with running(database, **{"media_store_path": str(folder / "media"), **limits, **options}) as server:
        yield server


async def call(
    server: Homeserver,
    client: Client | None,
    method: str,
    target: str,
    body: bytes = b"",
    *,
    length: int | None = -1,
    headers: Mapping[str, str] | None = None,
    content_type: str | None = None,
) -> Answer:
    """One request with headers of its own, as the application answers it.

    `length` is announced; -1: what it is, `None`: nothing is.
    """
    sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in (headers or {}).items()]
    if content_type is not None:
        sent.append((b"content-type", content_type.encode()))
    if length is not None and method in ("POST", "PUT"):
        sent.append((b"content-length", str(len(body) if length < 0 else length).encode()))
    if client is not None and client.token is not None:
        sent.append((b"authorization", f"Bearer {client.token}".encode()))
    status, answered, content = await server.unchecked.handle(method, target, sent, body)
    return Answer(status, {name.decode(): value.decode() for name, value in answered}, content)


async def upload(
    server: Homeserver, client: Client, body: bytes, content_type: str = "image/png", query: str = ""
) -> str:
    """The media id of a new upload."""
    answer = await call(server, client, "POST", f"/_matrix/media/v3/upload{query}", body, content_type=content_type)
    return media_id(answer.ok()["content_uri"])


def media_id(uri: str) -> str:
    """Of one of our own media."""
    prefix = "mxc://ranvier.test/"
    assert uri.startswith(prefix)
    return uri.removeprefix(prefix)


async def download(
    server: Homeserver, client: Client | None, name: str, query: str = "", method: str = "GET", **headers: str
) -> Answer:
    """`name`: a media id of ours, or `server/id`."""
    whole = name if "/" in name else f"ranvier.test/{name}"
    target = f"/_matrix/client/v1/media/download/{whole}{query}"
    return await call(server, client, method, target, headers=headers)


async def legacy(server: Homeserver, name: str, query: str = "") -> Answer:
    """By the endpoint without authentication."""
    return await call(server, None, "GET", f"/_matrix/media/v3/download/ranvier.test/{name}{query}")


def files(folder: Path) -> Mapping[str, bytes]:
    """What is in the media store, by path."""
    root = folder / "media"
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
