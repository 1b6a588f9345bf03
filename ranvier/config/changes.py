"""What differs between two readings of a configuration, and what of it can come into force without a restart."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ranvier.config.model import Config
from ranvier.config.schema import schema
from ranvier.config.schema_tree import Place

_SECRETS: Final = (
    "registration_shared_secret",
    "macaroon_secret_key",
    "form_secret",
    "signing_keys",
    "application_services",
)
"""Attributes that may come from files of their own."""


@dataclass(frozen=True, slots=True)
class Changes:
    """Names of options, in the order of the table."""

    reloaded: tuple[str, ...]
    need_restart: tuple[str, ...]


def changes_between(old: Config, new: Config) -> Changes:
    """Which options say something else; a list counts as one."""
    reloaded: list[str] = []
    need_restart: list[str] = []
    for path, is_reloadable in _changed(schema(), old.options, new.options, "", is_reloadable=False):
        (reloaded if is_reloadable else need_restart).append(path)
    for name in _SECRETS:
        if getattr(old, name) != getattr(new, name) and not any(path.startswith(name[:-1]) for path in need_restart):
            need_restart.append(f"{name} (what its file holds)")
    return Changes(tuple(reloaded), tuple(need_restart))


def _changed(place: Place, old: object, new: object, path: str, *, is_reloadable: bool) -> Iterator[tuple[str, bool]]:
    """The changed options from `place` on, and whether each can be reloaded; so can what stands inside one that can."""
    option = place.option
    is_reloadable = is_reloadable or (option is not None and option.reloadable)
    if place.keys and _is_section(old) and _is_section(new):
        one: Mapping[str, Any] = old if isinstance(old, Mapping) else {}
        other: Mapping[str, Any] = new if isinstance(new, Mapping) else {}
        for key, inner in place.keys.items():
            below = f"{path}.{key}" if path else key
            yield from _changed(inner, one.get(key), other.get(key), below, is_reloadable=is_reloadable)
    elif _effective(place, old) != _effective(place, new):
        yield path, is_reloadable


def _is_section(value: object) -> bool:
    return value is None or isinstance(value, Mapping)


def _effective(place: Place, value: object) -> object:
    """What is in force: the default where the file is silent."""
    option = place.option
    if value is not None or option is None or option.default is None:
        return value
    return option.kind.parse(option.default)
