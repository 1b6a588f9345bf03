"""Typed access to checked values, with the table's defaults where the file is silent."""

from collections.abc import Mapping
from typing import Any, TypeVar

from ranvier.config.check import Findings
from ranvier.config.rates import RateLimit
from ranvier.config.schema_tree import Place, steps
from ranvier.config.tree import Node


class Values:
    """The values below one mapping of a file.

    Every getter takes a dotted path relative to that mapping. A path that the table does not have, or a getter of the
    wrong type, is a mistake in the program: `KeyError` or `TypeError`.
    """

    def __init__(self, *, values: Mapping[str, Any], node: Node, place: Place, path: str, findings: Findings) -> None:
        self._values = values
        self._node = node
        self._place = place
        self._path = path
        self.findings = findings

    def get(self, path: str) -> Any:
        """The value, the parsed default, or None."""
        place = self._place
        found: Any = self._values
        for step in steps(path):
            place = place.keys[step]
            found = found.get(step, _UNSET) if isinstance(found, Mapping) else _UNSET
        nullable = place.kind is not None and place.kind.nullable
        if found is not _UNSET and (found is not None or nullable):
            return found
        option = place.option
        return None if option is None or option.default is None else option.kind.parse(option.default)

    def is_set(self, path: str) -> bool:
        """Whether the file names the option, with a value."""
        found: Any = self._values
        for step in steps(path):
            found = found.get(step) if isinstance(found, Mapping) else None
        return found is not None

    def is_written(self, path: str) -> bool:
        """Whether the file has something at the path, right or wrong."""
        node = self._node.children().get(path)
        return node is not None and node.value is not None

    def boolean(self, path: str) -> bool:
        """A truth value."""
        return _typed(self.get(path), bool, path)

    def integer(self, path: str) -> int:
        """A whole number; also milliseconds and bytes."""
        return _typed(self.get(path), int, path)

    def integer_or_none(self, path: str) -> int | None:
        """A whole number, or None."""
        value = self.get(path)
        return None if value is None else _typed(value, int, path)

    def number(self, path: str) -> float:
        """A number."""
        return float(self.get(path))

    def text(self, path: str) -> str:
        """A text."""
        return _typed(self.get(path), str, path)

    def text_or_none(self, path: str) -> str | None:
        """A text, or None."""
        value = self.get(path)
        return None if value is None else _typed(value, str, path)

    def texts(self, path: str) -> tuple[str, ...]:
        """Texts; none when not set."""
        return tuple(item for item in self.get(path) or () if isinstance(item, str))

    def mapping(self, path: str) -> Mapping[str, Any]:
        """A free mapping; empty when not set."""
        return _typed(self.get(path) or {}, dict, path)

    def rate(self, path: str) -> RateLimit:
        """A rate limit; what the file leaves out has its default."""
        return RateLimit(self.number(f"{path}.per_second"), self.integer(f"{path}.burst_count"))

    def items(self, path: str) -> list["Values"]:
        """The mappings in a list; those that are none (an error was noted) are left out."""
        listed, node = self._place, self._node
        for step in steps(path):
            listed = listed.keys[step]
            node = node.children().get(step, node)
        nodes = node.elements() if self.is_set(path) else []
        values = self.get(path) or []
        place = listed.element
        if place is None:
            raise KeyError(path)
        return [
            Values(values=value, node=found, place=place, path=self._below(f"{path}[{index}]"), findings=self.findings)
            for index, (value, found) in enumerate(zip(values, nodes, strict=False))
            if isinstance(value, dict)
        ]

    def error(self, path: str, problem: str) -> None:
        """Note a mistake in an option, with the line it (or what holds it) stands on."""
        node = self._node
        for step in steps(path):
            node = node.children().get(step, node)
        self.findings.error(node.where, self._below(path), problem)

    def warn(self, path: str, text: str) -> None:
        """Note something odd about an option."""
        self.findings.warning(self._node.children().get(path, self._node).where, f"option {self._below(path)}: {text}")

    def _below(self, path: str) -> str:
        return ".".join(part for part in (self._path, path) if part)


_UNSET = object()
_T = TypeVar("_T")


def _typed(value: object, kind: type[_T], path: str) -> _T:
    if not isinstance(value, kind):
        raise TypeError(f"{path}: {value!r} is not {kind.__name__}")
    return value
