"""A call of every route of the table, made from its description: what it asks about exists, and its body is well formed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from ranvier.http.openapi import document
from ranvier.http.route import Route

_OF_NAMES: Mapping[str, str] = {"receipt_type": "m.read", "auth_type": "m.login.dummy", "medium": "email"}
"""Words that stand for a choice in a path."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request to a route."""

    route: Route
    path: str
    """Percent-encoded, with the query string."""
    body: object

    @property
    def name(self) -> str:
        return f"{self.route.method} {self.route.path}"

    def names(self, *parameters: str) -> bool:
        """Whether its path has any of these parameters."""
        return any(f"{{{parameter}}}" in self.route.path for parameter in parameters)


def calls(routes: Iterable[Route], things: Mapping[str, Any]) -> list[Call]:
    """A call of each route but those of `/r0/`, which are the same as of `/v3/`.

    `things` says what parameters and required fields of bodies are, by their names; others are made from their types.
    """
    described = document(routes)
    kinds = described["components"]["schemas"]
    found = []
    for route in routes:
        if "/r0/" in route.path:
            continue
        operation = described["paths"][route.path][route.method.lower()]
        path = route.path
        query = {}
        for parameter in operation["parameters"]:
            name = parameter["name"]
            value = things.get(name, _OF_NAMES.get(name)) or _sample(parameter["schema"], kinds, things)
            if parameter["in"] == "path":
                path = path.replace(f"{{{name}}}", quote(str(value), safe=""))
            elif parameter["required"]:
                query[name] = value
        body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
        content = None if body is None else _sample(body, kinds, things)
        if isinstance(content, dict) and not content:
            # A body of which nothing is required may still have to say whom or what it is about.
            content = {name: things[name] for name in ("user_id", "displayname") if name in things}
        found.append(Call(route, path + ("?" + urlencode(query) if query else ""), content))
    return found


_LEAST: Mapping[str, Any] = {"array": [], "integer": 1, "number": 1, "boolean": True, "null": None}


def _sample(schema: Mapping[str, Any], kinds: Mapping[str, Any], things: Mapping[str, Any]) -> Any:
    """The least that `schema` allows."""
    if "$ref" in schema:
        return _sample(kinds[schema["$ref"].rpartition("/")[2]], kinds, things)
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return _sample(schema[choice][0], kinds, things)
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("type") == "object":
        fields = schema.get("properties", {})
        return {
            name: things[name] if name in things else _sample(fields[name], kinds, things)
            for name in schema.get("required", ())
        }
    return _LEAST.get(schema.get("type", ""), "x")
