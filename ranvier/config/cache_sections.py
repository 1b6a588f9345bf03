"""`caches` and `event_cache_size`: how much is kept in memory."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ranvier.config.values import Values

_USUAL_FACTOR: Final = 0.5
"""The manual's default; with it caches have the sizes they are made for."""
_ROOMS: Final = 2_000
_SESSIONS: Final = 20_000
_LEAST: Final = 100


@dataclass(frozen=True, slots=True)
class CacheSizes:
    """How many entries each cache holds whose size can be chosen."""

    events: int
    """`event_cache_size`, times the factor."""
    rooms: int
    """Rooms that are ready to be written to."""
    sessions: int
    """Access tokens in use."""


NAMES: Final = ("events", "rooms", "sessions")
"""What `caches.per_cache_factors` may name."""


def build_cache_sizes(values: Values) -> CacheSizes:
    """The sizes; a name that no cache has is noted."""
    factors = {_plain(name): float(factor) for name, factor in values.mapping("caches.per_cache_factors").items()}
    for name in values.mapping("caches.per_cache_factors"):
        if _plain(name) not in NAMES:
            values.warn("caches", f"per_cache_factors.{name}: no cache has this name; there are {', '.join(NAMES)}")
    usual = values.number("caches.global_factor")

    def size(name: str, entries: int) -> int:
        return max(_LEAST, round(entries * factors.get(name, usual) / _USUAL_FACTOR))

    return CacheSizes(
        events=size("events", values.integer("event_cache_size")),
        rooms=size("rooms", _ROOMS),
        sessions=size("sessions", _SESSIONS),
    )


def factors_from_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """`SYNAPSE_CACHE_FACTOR_<NAME>`, by the names of caches; as text, which is checked like the file."""
    prefix = "SYNAPSE_CACHE_FACTOR_"
    return {name[len(prefix) :].lower(): text for name, text in environment.items() if name.startswith(prefix)}


def _plain(name: str) -> str:
    """A name without what may be left out of it: `*events*`."""
    return re.sub(r"\W", "", name).lower()
