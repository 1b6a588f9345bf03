"""A bar that says how far something is, on a terminal; elsewhere nothing is drawn."""

import shutil
import sys
import time
from typing import Self

_EVERY_S = 0.1


class Progress:
    """`total` things to do; use as a context, so that the line is ended."""

    def __init__(self, title: str, total: int) -> None:
        self._title = title
        self._total = max(total, 1)
        self._done = 0
        self._drawn_at = 0.0
        self._shown = sys.stderr.isatty()

    def __enter__(self) -> Self:
        self._draw("")
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            self._draw("")
            print(file=sys.stderr)

    def advance(self, number: int = 1, *, doing: str = "") -> None:
        """So many more are done; `doing` is what is under way."""
        self._done += number
        if self._shown and time.monotonic() - self._drawn_at > _EVERY_S:
            self._draw(doing)

    def _draw(self, doing: str) -> None:
        if not self._shown:
            return
        self._drawn_at = time.monotonic()
        columns = shutil.get_terminal_size().columns
        share = min(self._done / self._total, 1.0)
        width = max(min(columns - len(self._title) - 40, 40), 5)
        filled = round(share * width)
        line = f"{self._title} [{'#' * filled}{'.' * (width - filled)}] {share:4.0%} {doing}"
        print(f"\r{line[: columns - 1]}\x1b[K", end="", file=sys.stderr, flush=True)
