"""From a path to its route: a tree of segments, with the paths that have no parameters in one dictionary beside it.

Segments are compared after percent-decoding each alone, so that an encoded slash never splits one.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from ranvier.http.route import Route
from ranvier.proto.errors import MatrixError, invalid_param

Found = tuple[Route, dict[str, str]]


@dataclass(slots=True)
class _Node:
    static: dict[str, "_Node"] = field(default_factory=dict)
    parameter: "_Node | None" = None
    methods: dict[str, tuple[Route, tuple[str, ...]]] = field(default_factory=dict)
    """Routes that end here, by method, with the names of their parameters in order."""


class Router:
    """A fixed set of routes. Raises `ValueError` when two of them claim the same method and path."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._root = _Node()
        self._exact: dict[bytes, dict[str, Route]] = {}
        for route in routes:
            self._add(route)

    def find(self, method: str, path: bytes) -> Found:
        """The route of `method` and `path` (as sent, percent-encoded) and its parameters; HEAD is served by GET.

        Raises 404 `M_UNRECOGNIZED` for an unknown path, 405 `M_UNRECOGNIZED` for a known path's unknown method and 400
        `M_INVALID_PARAM` if a segment is not UTF-8.
        """
        if method == "HEAD":
            method = "GET"
        exact = self._exact.get(path)
        if exact is not None and (route := exact.get(method)) is not None:
            return route, {}
        segments = _segments(path)
        allowed: set[str] = set()
        found = _descend(self._root, segments, 0, method, allowed)
        if found is not None:
            route, names, values = found
            return route, dict(zip(names, values, strict=True))
        if allowed:
            raise MatrixError(405, "M_UNRECOGNIZED", "Unrecognized request", headers={"Allow": _allow(allowed)})
        raise MatrixError(404, "M_UNRECOGNIZED", "Unrecognized request")

    def _add(self, route: Route) -> None:
        node = self._root
        names: list[str] = []
        for segment in route.path.removeprefix("/").split("/"):
            if segment.startswith("{"):
                names.append(segment[1:-1])
                node.parameter = node = node.parameter or _Node()
            else:
                following = node.static.get(segment)
                if following is None:
                    following = node.static[segment] = _Node()
                node = following
        if route.method in node.methods:
            raise ValueError(f"two routes for {route.method} {route.path}")
        node.methods[route.method] = (route, tuple(names))
        if not names:
            self._exact.setdefault(route.path.encode("ascii"), {})[route.method] = route


def _segments(path: bytes) -> list[str]:
    """The decoded segments of `path`. Raises 400 `M_INVALID_PARAM` if one is not UTF-8."""
    try:
        if b"%" not in path:
            return path.decode("utf-8").split("/")[1:]
        return [unquote_to_bytes(segment).decode("utf-8") for segment in path.split(b"/")[1:]]
    except UnicodeDecodeError:
        raise invalid_param("The path is not valid UTF-8, percent-encoded") from None


def _descend(
    node: _Node, segments: list[str], depth: int, method: str, allowed: set[str]
) -> tuple[Route, tuple[str, ...], list[str]] | None:
    """The route below `node` for the segments from `depth` on, static segments first; methods that it would have had
    go to `allowed`.
    """
    if depth == len(segments):
        end = node.methods.get(method)
        if end is None:
            allowed.update(node.methods)
            return None
        return end[0], end[1], []
    segment = segments[depth]
    child = node.static.get(segment)
    if child is not None:
        found = _descend(child, segments, depth + 1, method, allowed)
        if found is not None:
            return found
    if node.parameter is not None and segment:
        found = _descend(node.parameter, segments, depth + 1, method, allowed)
        if found is not None:
            found[2].insert(0, segment)
            return found
    return None


def _allow(methods: set[str]) -> str:
    return ", ".join(sorted(methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())))
