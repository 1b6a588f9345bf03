"""Media of other servers: fetched once, whoever asks, and kept. Spec: server-server API, "Content Repository".

Configuration: `prevent_media_downloads_from`, `remote_media_download_per_second` and `_burst_count`, `max_upload_size`.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Protocol

from ranvier.config.media_sections import MediaConfig
from ranvier.db.engine import Database
from ranvier.media.file_store import FileStore
from ranvier.media.places import content_of
from ranvier.media.uploads import clean_type, new_media_id
from ranvier.ports import Clock, Random
from ranvier.proto.errors import MatrixError, not_found
from ranvier.proto.mxc import Mxc
from ranvier.ratelimit import RateLimiter
from ranvier.store import media as store


@dataclass(frozen=True, slots=True)
class Incoming:
    """A medium that comes in."""

    content_type: str
    file_name: str | None
    size_bytes: int | None
    """`None` if it is not known yet."""
    chunks: AsyncIterator[bytes]


class Origins(Protocol):
    """The servers where media come from."""

    def fetch(self, name: Mxc, *, wait_ms: int) -> AbstractAsyncContextManager[Incoming]:
        """A medium, while the context is open. Raises `MatrixError`, as the client is told."""
        ...


class NoOrigins:
    """There are no other servers."""

    def fetch(self, name: Mxc, *, wait_ms: int) -> AbstractAsyncContextManager[Incoming]:
        raise not_found("Media not found")


class RemoteMedia:
    """Fetches media, each once at a time."""

    def __init__(
        self,
        *,
        db: Database,
        files: FileStore,
        clock: Clock,
        random: Random,
        config: MediaConfig,
        own_server: str,
        origins: Origins,
    ) -> None:
        self._db = db
        self._files = files
        self._clock = clock
        self._random = random
        self._config = config
        self._own_server = own_server
        self._origins = origins
        self._limiter = RateLimiter(config.remote_download_rate, clock=clock)
        self._fetching: dict[Mxc, asyncio.Task[store.Medium]] = {}

    async def get(self, name: Mxc, *, wait_ms: int, client_ip: str, known: store.Medium | None) -> store.Medium:
        """The medium, whose file is here afterwards; `known`: what is known of it, though its file is gone.

        Raises 404, 429 (before anything large is fetched), 502 `M_TOO_LARGE` or `M_UNKNOWN`, 504 `M_NOT_YET_UPLOADED`.
        """
        if name.server_name in self._config.prevent_downloads_from:
            raise not_found("Media of this server are not fetched")
        self._limiter.check(client_ip)
        task = self._fetching.get(name)
        if task is None:
            task = self._fetching[name] = asyncio.create_task(self._fetch(name, wait_ms, client_ip, known))
            task.add_done_callback(lambda done: self._done(name, done))
        # Who goes away does not take it from the others who wait for it.
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Give up on what is being fetched."""
        tasks = list(self._fetching.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _done(self, name: Mxc, task: asyncio.Task[store.Medium]) -> None:
        self._fetching.pop(name, None)
        if not task.cancelled():
            # Perhaps nobody waits any more.
            task.exception()

    async def _fetch(self, name: Mxc, wait_ms: int, client_ip: str, known: store.Medium | None) -> store.Medium:
        limit_bytes = self._config.max_upload_bytes
        async with self._origins.fetch(name, wait_ms=wait_ms) as incoming:
            if (incoming.size_bytes or 0) > limit_bytes:
                raise _too_large()
            if incoming.size_bytes is not None:
                self._limiter.spend(client_ip, cost=incoming.size_bytes)
            received = await self._files.receive(_bounded(incoming.chunks, limit_bytes))
        now_ms = self._clock.now_ms()
        medium = store.Medium(
            server_name=name.server_name,
            media_id=name.media_id,
            file_id=new_media_id(self._random),
            user_id=None,
            created_ts=now_ms,
            content_type=clean_type(incoming.content_type),
            upload_name=incoming.file_name,
            size_bytes=received.size_bytes,
            last_access_ts=now_ms,
            needs_token=self._config.enable_authenticated_media,
        )
        if known is not None:
            medium = replace(medium, quarantined_by=known.quarantined_by, needs_token=known.needs_token)
        try:
            if incoming.size_bytes is None:
                self._limiter.spend(client_ip, cost=received.size_bytes)
            await self._files.keep(received, content_of(medium, self._own_server), is_local=False)
        except BaseException:
            await self._files.discard(received)
            raise
        async with self._db.write() as tx:
            if known is not None:
                await store.delete(tx, [(name.server_name, name.media_id)])
            await store.insert(tx, medium)
        return medium


async def _bounded(chunks: AsyncIterator[bytes], limit_bytes: int) -> AsyncIterator[bytes]:
    size_bytes = 0
    async for chunk in chunks:
        size_bytes += len(chunk)
        if size_bytes > limit_bytes:
            raise _too_large()
        yield chunk


def _too_large() -> MatrixError:
    return MatrixError(502, "M_TOO_LARGE", "The remote content is too large")
