"""A Python prompt without its terminal: lines go in, what they print comes out; `await` may stand anywhere.

Must not touch what the server prints: standard output is the prompt's own only while a statement of it is executing,
never while it waits.
"""

import ast
import asyncio
import codeop
import functools
import inspect
import io
import sys
import traceback
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from types import CodeType, FunctionType
from typing import Any, Final

NAME: Final = "<manhole>"
_OWN_FRAMES: Final = (__file__, codeop.__file__)


class Console:
    """One prompt: its names, and the lines of a statement that is not finished."""

    def __init__(self, names: dict[str, Any], write: Callable[[str], None]) -> None:
        self._write = write
        self._output = _Output(write)
        self.names = {
            "__name__": "__manhole__",
            # What a task of the prompt prints later goes to the prompt, too.
            "print": functools.partial(print, file=self._output),
            **names,
        }
        self._compile = codeop.CommandCompiler()
        self._compile.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        self._lines: list[str] = []

    @property
    def is_unfinished(self) -> bool:
        """Whether the next line continues a statement."""
        return bool(self._lines)

    def forget(self) -> None:
        """Drop the lines of an unfinished statement."""
        self._lines.clear()

    async def take(self, line: str) -> None:
        """One more line; a statement that it finishes is executed. Raises nothing: errors are shown in the prompt."""
        self._lines.append(line)
        try:
            code = self._compile("\n".join(self._lines), NAME, "single")
        except (SyntaxError, ValueError, OverflowError) as error:
            self.forget()
            self._show(error)
            return
        if code is not None:
            self.forget()
            await self._execute(code)

    async def execute(self, source: str) -> None:
        """A whole text, of which the value of the last statement is not kept."""
        try:
            code = compile(source, NAME, "single", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        except (SyntaxError, ValueError) as error:
            self._show(error)
            return
        await self._execute(code)

    async def _execute(self, code: CodeType) -> None:
        try:
            with self._printing():
                result = FunctionType(code, self.names)()
            if inspect.iscoroutine(result):
                await _Stepped(result, self._printing)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            self._write("CancelledError\n")
        except (Exception, SystemExit, KeyboardInterrupt) as error:  # noqa: BLE001  # it is shown to who made it
            self._show(error)

    @contextmanager
    def _printing(self) -> Generator[None]:
        """Standard output and the display of values are the prompt's."""
        before = sys.stdout, sys.stderr, sys.displayhook
        sys.stdout = sys.stderr = self._output
        sys.displayhook = self._display
        try:
            yield
        finally:
            sys.stdout, sys.stderr, sys.displayhook = before

    def _display(self, value: object) -> None:
        if value is not None:
            self._write(f"{value!r}\n")
            self.names["_"] = value

    def _show(self, error: BaseException) -> None:
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename in _OWN_FRAMES:
            trace = trace.tb_next
        self._write("".join(traceback.format_exception(type(error), error, trace)))


class _Output(io.TextIOBase):
    """A stream to the prompt."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._to = write

    def writable(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        self._to(text)
        return len(text)


class _Stepped:
    """A coroutine that is advanced with something in force, which is not in force while it waits."""

    def __init__(self, coroutine: Coroutine[Any, Any, object], in_force: Callable[[], Any]) -> None:
        self._coroutine = coroutine
        self._in_force = in_force

    def __await__(self) -> Generator[Any, Any, object]:
        sent: Any = None
        thrown: BaseException | None = None
        while True:
            try:
                with self._in_force():
                    awaited = self._coroutine.send(sent) if thrown is None else self._coroutine.throw(thrown)
            except StopIteration as stop:
                return stop.value
            sent, thrown = None, None
            try:
                sent = yield awaited
            except BaseException as error:  # noqa: BLE001  # it is the coroutine's
                thrown = error
