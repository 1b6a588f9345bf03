"""Thumbnails: which size serves a wish, drawn when it is asked for first, then kept.

Spec: client-server API, "Thumbnails". Configuration: `thumbnail_sizes`, `dynamic_thumbnails`, `max_image_pixels`.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from ranvier.config.media_sections import MediaConfig, ThumbnailSize
from ranvier.media.file_store import FileStore, OpenFile
from ranvier.media.pictures import Drawn, Method, NoPicture, Seen, TooManyPixels, can_draw, draw, look_at
from ranvier.media.places import content_of, thumbnail_name, thumbnails_of
from ranvier.media.threads import MediaThreads
from ranvier.proto.content_disposition import INLINE, essence
from ranvier.proto.errors import MatrixError, not_found
from ranvier.store.media import Medium

_STATIC: Final = frozenset({"image/jpeg", "image/png"})
"""Types of pictures that stand still."""


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A thumbnail, or the picture itself where that is as good."""

    opened: OpenFile
    content_type: str
    tag: str
    """Names the content for ever."""


class Thumbnails:
    """Finds and draws them, each once at a time."""

    def __init__(self, *, config: MediaConfig, files: FileStore, threads: MediaThreads, own_server: str) -> None:
        self._sizes = config.thumbnail_sizes
        self._is_dynamic = config.dynamic_thumbnails
        self._max_pixels = config.max_image_pixels
        self._files = files
        self._threads = threads
        self._own_server = own_server
        self._can_draw = can_draw()
        self._drawing: dict[tuple[str, str, str], asyncio.Task[str | None]] = {}

    async def get(self, medium: Medium, width: int, height: int, method: Method, *, animated: bool) -> Thumbnail:
        """At least as large as that, as far as the picture is; the caller closes the file. The medium's file is here.

        Raises 400 `M_UNKNOWN` for what is no picture; 413, for other servers' media 502, `M_TOO_LARGE`; 404.
        """
        if not self._can_draw:
            return await self._itself(medium, essence(medium.content_type), animated=animated)
        size = self._size(width, height, method)
        folder = thumbnails_of(medium, self._own_server)
        name = None if size is None else await self._known(folder, size, animated=animated)
        if name is None:
            name = await self._draw_once(medium, folder, size, animated=animated)
        if name is None:
            seen = await self._look(medium)
            return await self._itself(medium, seen.content_type, animated=animated or not seen.is_animated)
        opened = await self._files.open(f"{folder}/{name}")
        if opened is None:
            raise not_found("Media not found")
        return Thumbnail(opened, _type_of(name), f"{medium.file_id}-{name}")

    async def close(self) -> None:
        """Give up on what is being drawn."""
        tasks = list(self._drawing.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _size(self, width: int, height: int, method: Method) -> ThumbnailSize | None:
        """The smallest that serves the wish; `None` if only the picture itself does."""
        if self._is_dynamic:
            return ThumbnailSize(width, height, method)
        enough = [size for size in self._sizes if size.width >= width and size.height >= height]
        fitting = [size for size in enough if size.method == method] or enough
        return min(fitting, key=lambda size: size.width * size.height, default=None)

    async def _known(self, folder: str, size: ThumbnailSize, *, animated: bool) -> str | None:
        """The name of the file, if it was drawn before. What moves is WebP, and nothing else is."""
        begin, end = f"{size.width}-{size.height}-", f"-{size.method}"
        names = [name for name in await self._files.names(folder) if name.startswith(begin) and name.endswith(end)]
        moving = [name for name in names if _type_of(name) == "image/webp"]
        if animated:
            return moving[0] if moving else None
        return next((name for name in names if name not in moving), None)

    async def _draw_once(
        self, medium: Medium, folder: str, size: ThumbnailSize | None, *, animated: bool
    ) -> str | None:
        key = (medium.server_name, medium.media_id, f"{size}{animated}")
        task = self._drawing.get(key)
        if task is None:
            task = self._drawing[key] = asyncio.create_task(self._draw(medium, folder, size, animated=animated))
            task.add_done_callback(lambda done: self._done(key, done))
        return await asyncio.shield(task)

    def _done(self, key: tuple[str, str, str], task: asyncio.Task[str | None]) -> None:
        self._drawing.pop(key, None)
        if not task.cancelled():
            # Perhaps nobody waits any more.
            task.exception()

    async def _draw(self, medium: Medium, folder: str, size: ThumbnailSize | None, *, animated: bool) -> str | None:
        """The name of the new file; `None` if the picture itself serves."""
        seen = await self._look(medium)
        moves = animated and seen.is_animated
        if animated and not moves and size is not None:
            known = await self._known(folder, size, animated=False)
            if known is not None:
                return known
        is_small = size is None or (seen.width <= size.width and seen.height <= size.height)
        if is_small and (moves or not seen.is_animated):
            return None
        # What moves and must not is drawn, however small it is.
        box = size or ThumbnailSize(seen.width, seen.height, "scale")
        path = await self._path(medium)
        drawn = await self._threads.on_picture(
            lambda: _drawn(path, box, animated=moves, max_pixels=self._max_pixels, is_own=self._is_own(medium))
        )
        name = thumbnail_name(box.width, box.height, drawn.content_type, box.method)
        received = await self._files.receive_bytes(drawn.content)
        await self._files.keep(received, f"{folder}/{name}", is_local=self._is_own(medium))
        return name

    async def _look(self, medium: Medium) -> Seen:
        path = await self._path(medium)
        return await self._threads.on_picture(lambda: _seen(path, self._max_pixels, is_own=self._is_own(medium)))

    async def _path(self, medium: Medium) -> str:
        path = await self._files.path_of(content_of(medium, self._own_server))
        if path is None:
            raise not_found("Media not found")
        return path

    async def _itself(self, medium: Medium, content_type: str, *, animated: bool) -> Thumbnail:
        """The picture. Raises 400 if it may not be shown, or might move where it must not."""
        if not content_type.startswith("image/") or content_type not in INLINE:
            raise _cannot()
        if not animated and content_type not in _STATIC:
            raise _cannot()
        opened = await self._files.open(content_of(medium, self._own_server))
        if opened is None:
            raise not_found("Media not found")
        return Thumbnail(opened, content_type, medium.file_id)

    def _is_own(self, medium: Medium) -> bool:
        return medium.server_name == self._own_server


def _seen(path: str, max_pixels: int, *, is_own: bool) -> Seen:
    try:
        return look_at(path, max_pixels=max_pixels)
    except NoPicture:
        raise _cannot() from None
    except TooManyPixels:
        raise _too_large(is_own=is_own) from None


def _drawn(path: str, size: ThumbnailSize, *, animated: bool, max_pixels: int, is_own: bool) -> Drawn:
    try:
        return draw(path, size.width, size.height, size.method, animated=animated, max_pixels=max_pixels)
    except NoPicture:
        raise _cannot() from None
    except TooManyPixels:
        raise _too_large(is_own=is_own) from None


def _type_of(name: str) -> str:
    """`image/jpeg` of `128-96-image-jpeg-scale`."""
    parts = name.split("-")
    return f"{parts[2]}/{parts[3]}" if len(parts) == 5 else ""


def _cannot() -> MatrixError:
    return MatrixError(400, "M_UNKNOWN", "Cannot generate thumbnails for the requested content")


def _too_large(*, is_own: bool) -> MatrixError:
    return MatrixError(413 if is_own else 502, "M_TOO_LARGE", "The picture is too large to make a thumbnail of it")
