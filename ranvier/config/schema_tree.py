"""The table of options as a tree, to walk beside a file.

Pure. Built from the paths: `listeners[].port` is the child `port` of the element of `listeners`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from ranvier.config.kinds import COUNT, FLOAT, RATE, Kind
from ranvier.config.option import Option

_STEP = re.compile(r"\[\]|[^.\[\]]+")


@dataclass(slots=True)
class Place:
    """What may stand at one place of a file."""

    path: str
    option: Option | None = None
    keys: dict[str, "Place"] = field(default_factory=dict)
    element: "Place | None" = None
    """What every element of a list is."""
    any_key: "Place | None" = None
    """What stands under every key that `keys` does not have."""

    @property
    def is_leaf(self) -> bool:
        """Whether nothing is known below."""
        return not self.keys and self.element is None and self.any_key is None

    @property
    def kind(self) -> Kind | None:
        """The kind of the option, if there is one at this very place."""
        return self.option.kind if self.option is not None else None

    def child(self, step: str) -> "Place":
        """The place one step below, made if missing."""
        below = f"{self.path}{step}" if step == "[]" or not self.path else f"{self.path}.{step}"
        if step == "[]":
            self.element = self.element or Place(below)
            return self.element
        if step == "*":
            self.any_key = self.any_key or Place(below)
            return self.any_key
        return self.keys.setdefault(step, Place(below))


def steps(path: str) -> list[str]:
    """`a[].b` as `a`, `[]`, `b`."""
    return _STEP.findall(path)


def grow(options: Iterable[Option]) -> Place:
    """The tree of some options."""
    root = Place("")
    for option in options:
        place = root
        for step in steps(option.path):
            place = place.child(step)
        place.option = option
        if option.kind is RATE:
            _add_rate(place, option)
    return root


def _add_rate(place: Place, option: Option) -> None:
    """A rate limit is a mapping of two numbers; each may be left out."""
    default = option.default if isinstance(option.default, dict) else {}
    for name, kind in (("per_second", FLOAT), ("burst_count", COUNT)):
        place.child(name).option = Option(
            f"{option.path}.{name}", kind, default.get(name), option.doc, honoured=option.honoured
        )
