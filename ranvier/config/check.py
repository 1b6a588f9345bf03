"""Compares a file's tree with the table of options: what is wrong, what is odd, and the values as the program uses
them.

Nothing stops at the first mistake. Pure.
"""

import difflib
import re
from dataclasses import dataclass, field

from ranvier.config.kinds import SECTION, Kind, Unacceptable
from ranvier.config.option import Option
from ranvier.config.schema_tree import Place
from ranvier.config.tree import Node

_NOT_YET = "is known, but not honoured yet"
_SECRET = re.compile(r"secret|pass|pepper|key|token", re.IGNORECASE)


@dataclass(slots=True)
class Findings:
    """What was found while reading; errors stop the start."""

    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def error(self, where: str, path: str, problem: str) -> None:
        """Note a mistake in the option `path`."""
        self.errors.append(f"{where}: option {path}: {problem}" if where else f"option {path}: {problem}")

    def warning(self, where: str, text: str) -> None:
        """Note something odd."""
        self.warnings.append(f"{where}: {text}" if where else text)


def check(root: Node, schema: Place, findings: Findings) -> dict[str, object]:
    """The values of the options that are set and right: nested dicts and lists, each leaf parsed by its kind."""
    walk = _Walk(findings)
    values = walk.mapping(root, schema, "", report=True)
    walk.report_not_honoured()
    return values


class _Walk:
    """One walk over a tree."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._not_honoured: dict[str, tuple[str, Option]] = {}

    def value(self, node: Node, place: Place, path: str, *, report: bool) -> object:
        """The value of a node that is not null, or None after an error."""
        option = place.option
        if option is not None and report and not option.honoured and option.kind is not SECTION:
            report = False
            if not _is_default(node, option):
                self._not_honoured.setdefault(option.path, (node.where, option))
        if place.element is not None:
            return self._list(node, place.element, path, report=report)
        if not place.is_leaf:
            return self.mapping(node, place, path, report=report)
        return self._leaf(node, option.kind, path) if option is not None else node.plain()

    def mapping(self, node: Node, place: Place, path: str, *, report: bool) -> dict[str, object]:
        """The set entries of a mapping with known keys."""
        if not isinstance(node.value, dict):
            self._wrong(node, path, "a mapping")
            return {}
        values: dict[str, object] = {}
        for key, entry in node.children().items():
            below = f"{path}.{key}" if path else key
            inner = place.keys.get(key) or place.any_key
            if inner is None:
                self._unknown(entry, key, place, below)
                values[key] = entry.plain()
            elif entry.value is not None or (inner.kind is not None and inner.kind.nullable):
                values[key] = self.value(entry, inner, below, report=report)
        self._require(node, place, path, values)
        return values

    def _list(self, node: Node, element: Place, path: str, *, report: bool) -> list[object]:
        if not isinstance(node.value, list):
            self._wrong(node, path, "a list")
            return []
        return [
            self.value(item, element, f"{path}[{index}]", report=report) for index, item in enumerate(node.elements())
        ]

    def _leaf(self, node: Node, kind: Kind, path: str) -> object:
        if kind.item is not None and isinstance(node.value, list):
            return [self._leaf(item, kind.item, f"{path}[{index}]") for index, item in enumerate(node.elements())]
        if kind.item is not None and kind.is_open and isinstance(node.value, dict):
            return {key: self._leaf(item, kind.item, f"{path}.{key}") for key, item in node.children().items()}
        try:
            return kind.parse(node.plain())
        except Unacceptable:
            self._wrong(node, path, kind.expected)
            return None

    def _require(self, node: Node, place: Place, path: str, values: dict[str, object]) -> None:
        for key, inner in place.keys.items():
            if inner.option is not None and inner.option.required and key not in values:
                self._findings.error(node.where, f"{path}.{key}" if path else key, "is required")

    def _unknown(self, node: Node, key: str, place: Place, path: str) -> None:
        if place.kind is not None and place.kind.is_open:
            return
        near = difflib.get_close_matches(key, place.keys, n=1)
        advice = f"; did you mean {near[0]}?" if near else ""
        self._findings.warning(node.where, f"unknown option {path}{advice}")

    def _wrong(self, node: Node, path: str, expected: str) -> None:
        hint = ""
        if expected == "text" and type(node.value) in (int, float, bool):
            hint = " (put it in quotes)"
        shown = describe(node.plain(), is_secret=_SECRET.search(path) is not None)
        self._findings.error(node.where, path, f"expected {expected}, got {shown}{hint}")

    def report_not_honoured(self) -> None:
        """One warning for each option that is set and has no effect yet."""
        for path, (where, option) in self._not_honoured.items():
            effect = f"has no effect here: {option.not_applicable}" if option.not_applicable else _NOT_YET
            self._findings.warning(where, f"option {path} {effect}")


def _is_default(node: Node, option: Option) -> bool:
    try:
        return node.plain() == option.default or option.kind.parse(node.plain()) == option.kind.parse(option.default)
    except Unacceptable:
        return False


def describe(value: object, *, is_secret: bool = False) -> str:
    """A value for an error message: its type, and its text unless that might be a secret."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return "true" if value else "false"
    name = "the number" if isinstance(value, int | float) else "the text"
    if is_secret:
        return name.replace("the", "a")
    text = str(value)
    return f"{name} {text if len(text) <= 60 else text[:57] + '...'}"
