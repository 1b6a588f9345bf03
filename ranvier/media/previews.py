"""Previews of pages: what a page says about itself, its picture kept here, so that clients need not visit it.

Spec: client-server API, `/preview_url`. Configuration: `url_preview_*`, `max_spider_size`, `oembed`.
"""

import asyncio
import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import orjson

from ranvier.config.preview_sections import PreviewConfig
from ranvier.db.engine import Database
from ranvier.media.file_store import FileStore
from ranvier.media.page import READ_BYTES, decode_page, read_page, words_of
from ranvier.media.pictures import NoPicture, TooManyPixels, can_draw, look_at
from ranvier.media.places import content_of
from ranvier.media.preview_rules import is_blocked, oembed_url
from ranvier.media.threads import MediaThreads
from ranvier.media.uploads import clean_type, new_media_id
from ranvier.ports import Clock, FederationUnreachable, Random, WebTransport
from ranvier.proto.content_disposition import essence
from ranvier.proto.errors import MatrixError, forbidden, invalid_param
from ranvier.proto.mxc import Mxc
from ranvier.store import media as store
from ranvier.store import url_previews
from ranvier.store.media import Medium

FRESH_MS: Final = 3_600_000
MAX_URL_LENGTH: Final = 4_096
_AT_ONCE: Final = 8
_TIMEOUT_S: Final = 20.0
_HTML: Final = frozenset({"text/html", "application/xhtml+xml"})
_PICTURE_PIXELS: Final = 1 << 30
"""Only its head is looked at."""


@dataclass(frozen=True, slots=True)
class _Fetched:
    content_type: str
    body: bytes


class Previews:
    """Makes them, each once at a time, and remembers them for an hour."""

    def __init__(
        self,
        *,
        db: Database,
        files: FileStore,
        threads: MediaThreads,
        web: WebTransport,
        clock: Clock,
        random: Random,
        config: PreviewConfig,
        server_name: str,
        needs_token: bool,
    ) -> None:
        self._db = db
        self._files = files
        self._threads = threads
        self._web = web
        self._clock = clock
        self._random = random
        self._config = config
        self._server_name = server_name
        self._needs_token = needs_token
        self._making: dict[str, asyncio.Task[bytes]] = {}
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def of(self, url: str) -> bytes:
        """The preview as JSON; `{}` for what is no page. One statement if it is remembered.

        Raises 400 `M_INVALID_PARAM`, 403 `M_FORBIDDEN` for what must not be visited, 502 `M_UNKNOWN`.
        """
        self._check(url)
        # What stands behind `#` is the reader's.
        url = url.partition("#")[0]
        found = await url_previews.find(self._db, _hash(url), self._clock.now_ms())
        if found is not None:
            return found
        task = self._making.get(url)
        if task is None:
            task = self._making[url] = asyncio.create_task(self._make(url))
            task.add_done_callback(lambda done: self._done(url, done))
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Give up on what is being made."""
        tasks = list(self._making.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _check(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            is_web = parts.scheme in ("http", "https") and bool(parts.hostname)
        except ValueError:
            is_web = False
        if not is_web or len(url) > MAX_URL_LENGTH or not url.isprintable():
            raise invalid_param("Not the address of a web page")
        if is_blocked(url, self._config.url_blacklist):
            raise forbidden("Pages at this address are not previewed")

    def _done(self, url: str, task: asyncio.Task[bytes]) -> None:
        self._making.pop(url, None)
        if not task.cancelled():
            # Perhaps nobody waits any more.
            task.exception()

    async def _make(self, url: str) -> bytes:
        async with self._places:
            answer = orjson.dumps(await self._preview(url))
        async with self._db.write() as tx:
            await url_previews.save(tx, _hash(url), answer, self._clock.now_ms() + FRESH_MS)
        return answer

    async def _preview(self, url: str) -> dict[str, Any]:
        described = oembed_url(url, self._config.oembed)
        if described is not None:
            found = await self._oembed(described)
            if found:
                return await self._with_picture(found, url)
        try:
            fetched = await self._fetch(url)
        except FederationUnreachable as error:
            raise MatrixError(502, "M_UNKNOWN", "The page could not be fetched") from error
        kind = essence(fetched.content_type)
        if kind.startswith("image/"):
            return {"og:title": _file_name(url), **await self._keep_picture(fetched, url)}
        if kind not in _HTML:
            return {}
        body = fetched.body[:READ_BYTES]
        page = await self._threads.on_picture(lambda: read_page(decode_page(body, fetched.content_type)))
        found = dict(page.properties)
        if page.oembed is not None and not {"og:title", "og:image"} <= found.keys():
            found = {**await self._oembed(urljoin(url, page.oembed)), **found}
        return await self._with_picture(found, urljoin(url, page.base or ""))

    async def _fetch(self, url: str) -> _Fetched:
        languages = ", ".join(self._config.accept_language) or "en"
        async with self._web.get(
            url,
            headers={"Accept-Language": languages, "Accept": "text/html, image/*, */*;q=0.5"},
            timeout_s=_TIMEOUT_S,
            limit_bytes=self._config.max_spider_bytes,
        ) as answer:
            if answer.status != 200:
                raise FederationUnreachable(f"answered {answer.status}")
            body = b"".join([chunk async for chunk in answer.chunks])
            return _Fetched(clean_type(answer.headers.get("content-type", "")), body)

    async def _oembed(self, url: str) -> dict[str, Any]:
        """What an oEmbed provider says, in OpenGraph's words; nothing if it says nothing."""
        try:
            described = orjson.loads((await self._fetch(url)).body)
        except (FederationUnreachable, orjson.JSONDecodeError):
            return {}
        if not isinstance(described, Mapping):
            return {}
        html = described.get("html")
        found = {
            "og:title": described.get("title") or described.get("author_name"),
            "og:site_name": described.get("provider_name"),
            "og:description": words_of(html) if described.get("type") == "rich" and isinstance(html, str) else None,
            "og:image": described.get("url") if described.get("type") == "photo" else described.get("thumbnail_url"),
        }
        return {name: value[:1000] for name, value in found.items() if isinstance(value, str) and value}

    async def _with_picture(self, found: dict[str, Any], base: str) -> dict[str, Any]:
        """The picture that is named is fetched, and kept here; what it says about its size is found out."""
        wanted = (
            found.pop("og:image", None) or found.pop("og:image:url", None) or found.pop("og:image:secure_url", None)
        )
        for name in [name for name in found if name.startswith("og:image")]:
            if name != "og:image:alt":
                del found[name]
        if not isinstance(wanted, str):
            return found
        try:
            url = urljoin(base, wanted)
            self._check(url)
            fetched = await self._fetch(url)
        except (FederationUnreachable, MatrixError, ValueError):
            return found
        if not essence(fetched.content_type).startswith("image/"):
            return found
        return {**found, **await self._keep_picture(fetched, url)}

    async def _keep_picture(self, fetched: _Fetched, url: str) -> dict[str, Any]:
        now_ms = self._clock.now_ms()
        day = time.strftime("%Y-%m-%d", time.gmtime(now_ms / 1000))
        media_id = f"{day}_{new_media_id(self._random)[:16]}"
        medium = Medium(
            server_name=self._server_name,
            media_id=media_id,
            file_id=media_id,
            user_id=None,
            created_ts=now_ms,
            content_type=fetched.content_type,
            size_bytes=len(fetched.body),
            last_access_ts=now_ms,
            needs_token=self._needs_token,
            page_url=url,
        )
        received = await self._files.receive_bytes(fetched.body)
        place = content_of(medium, self._server_name)
        await self._files.keep(received, place, is_local=False)
        async with self._db.write() as tx:
            await store.insert(tx, medium)
        return {
            "og:image": Mxc(self._server_name, media_id).uri,
            "og:image:type": fetched.content_type,
            "matrix:image:size": len(fetched.body),
            **await self._size_of(place),
        }

    async def _size_of(self, place: str) -> dict[str, int]:
        path = await self._files.path_of(place)
        if path is None or not can_draw():
            return {}
        try:
            seen = await self._threads.on_picture(lambda: look_at(path, max_pixels=_PICTURE_PIXELS))
        except (NoPicture, TooManyPixels):
            return {}
        return {"og:image:width": seen.width, "og:image:height": seen.height}


def _hash(url: str) -> bytes:
    return hashlib.sha256(url.encode()).digest()


def _file_name(url: str) -> str:
    return urlsplit(url).path.rpartition("/")[2][:200] or url[:200]
