"""The files that make up a server beside its database: configuration, keys, secrets, what the configuration names."""

import os
from collections.abc import Sequence
from typing import Final

from ranvier.cli.arguments import DEFAULT_CONFIG
from ranvier.config.check import Findings
from ranvier.config.kinds import PATH
from ranvier.config.load import config_files, read_files
from ranvier.config.schema import OPTIONS

_NOT_COPIED: Final = frozenset(("pid_file", "worker_pid_file", "media_store_path"))
_LISTS_OF_PATHS: Final = ("app_service_config_files",)
_MEDIA: Final = "media_store"


def own_files(paths: Sequence[str] | None, server_name: str) -> list[str]:
    """Absolute paths of the files that exist. Raises `ConfigError`."""
    given = tuple(paths or (DEFAULT_CONFIG,))
    named = [*config_files(given), *_named(given), default_signing_key_path(given, server_name)]
    return sorted({os.path.abspath(path) for path in named if os.path.isfile(path)})


def default_signing_key_path(paths: Sequence[str], server_name: str) -> str:
    """Where the key is that no option names."""
    first = paths[0]
    directory = first if os.path.isdir(first) else os.path.dirname(os.path.abspath(first))
    return os.path.join(directory, f"{server_name}.signing.key")


def media_folder(paths: Sequence[str] | None) -> str:
    """Where media are, whether or not there are any. Raises `ConfigError`."""
    value = _options(paths or (DEFAULT_CONFIG,)).get("media_store_path")
    return os.path.abspath(value if isinstance(value, str) else _MEDIA)


def _named(paths: Sequence[str]) -> list[str]:
    options = _options(paths)
    found: list[str] = []
    for option in OPTIONS:
        value = options.get(option.path)
        if option.kind is PATH and option.path not in _NOT_COPIED and isinstance(value, str):
            found.append(value)
    for name in _LISTS_OF_PATHS:
        value = options.get(name)
        if isinstance(value, list):
            found += [path for path in value if isinstance(path, str)]
    return found


def _options(paths: Sequence[str]) -> dict[str, object]:
    return {name: node.plain() for name, node in read_files(paths, Findings()).children().items()}
