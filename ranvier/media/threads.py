"""Threads for what would make the event loop wait: files, and pictures. A bounded number of each."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

T = TypeVar("T")

FILE_THREADS: Final = 4
PICTURE_THREADS: Final = 2


class MediaThreads:
    """They are started by the first use."""

    def __init__(self) -> None:
        self._files = ThreadPoolExecutor(FILE_THREADS, thread_name_prefix="media files")
        self._pictures = ThreadPoolExecutor(PICTURE_THREADS, thread_name_prefix="pictures")

    async def on_disk(self, work: Callable[[], T]) -> T:
        """Something with files."""
        return await asyncio.get_running_loop().run_in_executor(self._files, work)

    async def on_picture(self, work: Callable[[], T]) -> T:
        """Something that computes for long."""
        return await asyncio.get_running_loop().run_in_executor(self._pictures, work)

    def close(self) -> None:
        """Finish what was begun."""
        self._files.shutdown(wait=True)
        self._pictures.shutdown(wait=True, cancel_futures=True)
