"""What is wrong with a log configuration, without using it: nothing is opened or written."""

import os
from collections.abc import Iterator
from logging.config import BaseConfigurator
from typing import Any

from ranvier.log.setup import LogConfigError, read_settings


def find_mistakes(path: str) -> Iterator[str]:
    """One sentence each; none means that the server can start with it, as far as that can be seen."""
    try:
        settings, _ = read_settings(path)
    except LogConfigError as error:
        yield str(error)
        return
    handlers = settings.get("handlers")
    for name, handler in handlers.items() if isinstance(handlers, dict) else ():
        if isinstance(handler, dict):
            yield from (f"{path}: handler {name}: {mistake}" for mistake in _of_handler(handler))


def _of_handler(handler: dict[str, Any]) -> Iterator[str]:
    kind = handler.get("class")
    if isinstance(kind, str):
        try:
            BaseConfigurator({}).resolve(kind)
        except ValueError:
            yield f"there is no {kind}"
    file = handler.get("filename")
    if not isinstance(file, str):
        return
    folder = os.path.dirname(os.path.abspath(file))
    if not os.path.isdir(folder):
        yield f"{folder} is not there"
    elif not os.access(file if os.path.exists(file) else folder, os.W_OK):
        yield f"{file} cannot be written by this user"
