"""A configuration file as a tree that remembers on which line everything stands.

Knows YAML, knows no option. Trees are also made from plain Python mappings, which have no lines.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

_Loader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Node:
    """A scalar, a list of nodes or a dict of nodes, and where it was written (`file:line`, or nothing)."""

    value: object
    where: str

    def plain(self) -> Any:
        """The value without the places."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def children(self) -> Mapping[str, "Node"]:
        """The entries of a mapping; none for anything else."""
        return self.value if isinstance(self.value, dict) else {}

    def elements(self) -> list["Node"]:
        """The elements of a list; none for anything else."""
        return self.value if isinstance(self.value, list) else []


class Malformed(Exception):
    """The text is not a YAML mapping; the message begins with `file:line`."""


def tree_of(value: object, where: str = "") -> Node:
    """The tree of plain Python values."""
    if isinstance(value, Mapping):
        return Node({str(key): tree_of(inner, where) for key, inner in value.items()}, where)
    if isinstance(value, list | tuple):
        return Node([tree_of(inner, where) for inner in value], where)
    return Node(value, where)


def read_tree(text: str, file_name: str) -> tuple[Node, list[str]]:
    """The tree of a YAML text whose top is a mapping, and warnings about keys given twice.

    An empty text is an empty mapping. Raises `Malformed`.
    """
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return Node({}, f"{file_name}:1"), []
        if not isinstance(root, yaml.MappingNode):
            raise Malformed(f"{file_name}:{root.start_mark.line + 1}: expected a mapping of options")
        reader = _TreeReader(loader, file_name)
        return reader.node(root), reader.warnings
    except yaml.YAMLError as error:
        raise Malformed(_yaml_problem(error, file_name)) from error
    finally:
        loader.dispose()


def _yaml_problem(error: yaml.YAMLError, file_name: str) -> str:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    line = mark.line + 1 if mark is not None else 1
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable"
    return f"{file_name}:{line}: not valid YAML: {problem}"


class _TreeReader:
    """Turns YAML nodes into ours; one for a file."""

    def __init__(self, loader: Any, file_name: str) -> None:
        self._loader = loader
        self._file_name = file_name
        self._open: set[int] = set()
        self.warnings: list[str] = []

    def node(self, node: yaml.Node) -> Node:
        where = f"{self._file_name}:{node.start_mark.line + 1}"
        if isinstance(node, yaml.ScalarNode):
            return Node(self._loader.construct_object(node), where)
        if id(node) in self._open:
            raise Malformed(f"{where}: an alias stands inside what it names")
        self._open.add(id(node))
        value = self._mapping(node) if isinstance(node, yaml.MappingNode) else [self.node(item) for item in node.value]
        self._open.discard(id(node))
        return Node(value, where)

    def _mapping(self, node: yaml.MappingNode) -> dict[str, Node]:
        repeated = list(self._repeated_keys(node))
        self._loader.flatten_mapping(node)  # `<<` merges
        entries: dict[str, Node] = {}
        for key_node, value_node in node.value:
            line = f"{self._file_name}:{key_node.start_mark.line + 1}"
            # A place is the key's line: that is where one looks for an option, also when its value begins below.
            entries[self._key(key_node)] = Node(self.node(value_node).value, line)
        self.warnings += repeated
        return entries

    def _key(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise Malformed(f"{self._file_name}:{node.start_mark.line + 1}: a key must be a word")
        return str(node.value)

    def _repeated_keys(self, node: yaml.MappingNode) -> Iterator[str]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            key = str(key_node.value)
            if key in seen and key != "<<":
                yield f"{self._file_name}:{key_node.start_mark.line + 1}: {key} is given twice; the last one counts"
            seen.add(key)
