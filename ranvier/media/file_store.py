"""Files of media on disk: received into a temporary file, made durable, then put in their place; and copies elsewhere.

Configuration: `media_store_path`, `media_storage_providers`, `enable_local_media_storage`. A file is either whole or not
there: a crash leaves at most something in `incoming`, which the next start removes.
"""

import asyncio
import contextlib
import logging
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from functools import partial
from io import BufferedReader
from typing import Final

from ranvier.config.media_sections import MediaConfig, StorageProvider
from ranvier.media.threads import MediaThreads

logger = logging.getLogger(__name__)

PIECE_BYTES: Final = 256 * 1024
INCOMING: Final = "incoming"


@dataclass(frozen=True, slots=True)
class Received:
    """A file that is whole, and nowhere yet."""

    path: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file that is being read; whoever has it closes it."""

    file: BufferedReader
    size_bytes: int
    first: bytes
    """Its beginning; all of it, if it is not longer than `PIECE_BYTES`."""


class FileStore:
    """The folders. Paths (`places`) are relative to each of them; nothing is made before it is needed."""

    def __init__(self, *, config: MediaConfig, threads: MediaThreads) -> None:
        self._threads = threads
        providers = list(config.providers)
        self._roots = [provider.directory for provider in providers]
        if config.enable_local_storage:
            self._roots.insert(0, config.store_path)
        else:
            # The first of them is the store.
            providers = providers[1:]
        self._providers: list[StorageProvider] = providers
        self.primary = self._roots[0]
        self._copying: set[asyncio.Task[None]] = set()

    async def receive(self, chunks: AsyncIterator[bytes]) -> Received:
        """Write what comes in to a temporary file, durably. What `chunks` raises passes, and nothing is left."""
        path: str | None = None
        waiting: list[bytes] = []
        waiting_bytes = size_bytes = 0
        try:
            async for chunk in chunks:
                waiting.append(chunk)
                waiting_bytes += len(chunk)
                size_bytes += len(chunk)
                if waiting_bytes >= PIECE_BYTES:
                    path = await self._write(path, waiting, is_last=False)
                    waiting, waiting_bytes = [], 0
            path = await self._write(path, waiting, is_last=True)
        except BaseException:
            if path is not None:
                _remove(path)
            raise
        return Received(path, size_bytes)

    async def receive_bytes(self, content: bytes) -> Received:
        """As `receive`, for what is there already."""
        return Received(await self._write(None, [content], is_last=True), len(content))

    async def keep(self, received: Received, place: str, *, is_local: bool) -> None:
        """Put a file in its place, and copy it where the configuration wants copies."""
        await self._threads.on_disk(lambda: _place(received.path, self._path(self.primary, place)))
        for provider in self._providers:
            if not (provider.store_local if is_local else provider.store_remote):
                continue
            copy = self._copy(place, provider.directory)
            if provider.store_synchronous:
                await copy
            else:
                task = asyncio.create_task(_logged(copy), name="copy of a medium")
                self._copying.add(task)
                task.add_done_callback(self._copying.discard)

    async def discard(self, received: Received) -> None:
        """It is not wanted."""
        await self._threads.on_disk(lambda: _remove(received.path))

    async def open(self, place: str) -> OpenFile | None:
        """The file at this place, wherever it is; `None` if nowhere."""
        return await self._threads.on_disk(lambda: self._open(place))

    async def path_of(self, place: str) -> str | None:
        """The path of the file in the first folder that has it."""
        paths = [self._path(root, place) for root in self._roots]
        return await self._threads.on_disk(lambda: next((path for path in paths if os.path.isfile(path)), None))

    async def names(self, folder: str) -> list[str]:
        """The names of the files in a folder."""
        return await self._threads.on_disk(lambda: self._names(folder))

    async def delete(self, place: str, folder: str) -> None:
        """Remove a file and a folder (of thumbnails), everywhere."""
        await self._threads.on_disk(lambda: self._delete(place, folder))

    async def close(self) -> None:
        """Finish the copies that are being made."""
        await asyncio.gather(*self._copying)

    async def _write(self, path: str | None, parts: list[bytes], *, is_last: bool) -> str:
        content = b"".join(parts)
        return await self._threads.on_disk(lambda: _append(path or self._new_file(), content, is_last=is_last))

    def _new_file(self) -> str:
        folder = os.path.join(self.primary, INCOMING)
        os.makedirs(folder, exist_ok=True)
        number, path = tempfile.mkstemp(dir=folder)
        os.close(number)
        return path

    def _open(self, place: str) -> OpenFile | None:
        for root in self._roots:
            try:
                file = open(self._path(root, place), "rb")  # noqa: SIM115  # closed by who reads it
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                continue
            return OpenFile(file, os.fstat(file.fileno()).st_size, file.read(PIECE_BYTES))
        return None

    def _names(self, folder: str) -> list[str]:
        found: set[str] = set()
        for root in self._roots:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                found.update(os.listdir(self._path(root, folder)))
        return sorted(found)

    def _delete(self, place: str, folder: str) -> None:
        for root in self._roots:
            _remove(self._path(root, place))
            shutil.rmtree(self._path(root, folder), ignore_errors=True)

    async def _copy(self, place: str, directory: str) -> None:
        await self._threads.on_disk(lambda: _copy(self._path(self.primary, place), self._path(directory, place)))

    @staticmethod
    def _path(root: str, place: str) -> str:
        return os.path.join(root, *place.split("/"))


async def read_on(threads: MediaThreads, opened: OpenFile, start: int, length: int) -> AsyncIterator[bytes]:
    """A part of an open file, which is closed at the end."""
    file = opened.file
    try:
        if start < len(opened.first):
            piece = opened.first[start : start + length]
            length -= len(piece)
            yield piece
            if length:
                await threads.on_disk(lambda: file.seek(len(opened.first)))
        else:
            await threads.on_disk(lambda: file.seek(start))
        while length:
            piece = await threads.on_disk(partial(file.read, min(length, PIECE_BYTES)))
            if not piece:
                return
            length -= len(piece)
            yield piece
    finally:
        file.close()


def _append(path: str, content: bytes, *, is_last: bool) -> str:
    with open(path, "ab") as file:
        file.write(content)
        if is_last:
            file.flush()
            os.fsync(file.fileno())
    return path


def _place(path: str, target: str) -> None:
    folder = os.path.dirname(target)
    os.makedirs(folder, exist_ok=True)
    os.chmod(path, 0o644)
    os.rename(path, target)
    _sync_folder(folder)


def _copy(source: str, target: str) -> None:
    os.makedirs(os.path.dirname(target), exist_ok=True)
    half = f"{target}.partial"
    shutil.copyfile(source, half)
    with open(half, "rb") as file:
        os.fsync(file.fileno())
    os.rename(half, target)
    _sync_folder(os.path.dirname(target))


def _sync_folder(folder: str) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        os.unlink(path)


async def _logged(work: Awaitable[None]) -> None:
    try:
        await work
    except OSError:
        logger.exception("Could not copy a medium to where media_storage_providers wants it")
