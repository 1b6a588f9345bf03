"""The fields of what an OpenAPI document describes, flat, to compare two documents with each other.

A path such as `rooms.{}.events.[].type` goes through fields, maps (`{}`) and lists (`[]`).
"""

import re
from typing import Any

Fields = dict[str, bool]
"""Paths of fields, and whether an object that is there must have them."""
Key = tuple[str, str, str]
"""Method, path with `{}` for each parameter, and `query`, `body` or `answer`."""

_JSON = "application/json"
_DEEPEST = 5


def shape(path: str) -> str:
    """A path without the names of its parameters."""
    return re.sub(r"\{[^}]*\}", "{}", path)


def fields_of(document: dict[str, Any]) -> dict[Key, Fields]:
    """Everything that the document says of query strings, bodies and answers."""
    schemas = document["components"]["schemas"]
    found: dict[Key, Fields] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            key = (method.upper(), shape(path))
            found[*key, "query"] = {
                parameter["name"]: parameter["required"]
                for parameter in operation["parameters"]
                if parameter["in"] == "query"
            }
            body = operation.get("requestBody", {}).get("content", {}).get(_JSON)
            answer = operation["responses"]["200"].get("content", {}).get(_JSON)
            for where, content in (("body", body), ("answer", answer)):
                found[*key, where] = {} if content is None else _flat(content["schema"], schemas, ())
    return found


def _flat(schema: dict[str, Any], schemas: dict[str, Any], inside: tuple[str, ...], depth: int = 0) -> Fields:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if name in inside:
            return {}
        return _flat(schemas[name], schemas, (*inside, name), depth)
    if depth > _DEEPEST:
        return {}
    found: Fields = {}
    for alternative in schema.get("anyOf", ()):
        found |= _flat(alternative, schemas, inside, depth)
    required = schema.get("required", ())
    for name, kind in schema.get("properties", {}).items():
        found[name] = name in required
        found |= _below(name, _flat(kind, schemas, inside, depth + 1))
    if isinstance(schema.get("items"), dict):
        found |= _below("[]", _flat(schema["items"], schemas, inside, depth + 1))
    if isinstance(schema.get("additionalProperties"), dict):
        found |= _below("{}", _flat(schema["additionalProperties"], schemas, inside, depth + 1))
    return found


def _below(name: str, fields: Fields) -> Fields:
    return {f"{name}.{path}": is_required for path, is_required in fields.items()}


def differences(spec: Fields, ours: Fields, *, is_answer: bool) -> set[str]:
    """What differs: `-field` is missing, `+field` is additional, `?field` may be absent, `!field` must be there.

    Not counted are fields below an object that is described as free, and answers that promise more than the spec does.
    """
    found = set()
    for name in spec.keys() | ours.keys():
        if name not in ours:
            above = name.rpartition(".")[0]
            if not above or any(other.startswith(f"{above}.") for other in ours):
                found.add(f"-{name}")
        elif name not in spec:
            found.add(f"+{name}")
        elif spec[name] and not ours[name]:
            found.add(f"?{name}")
        elif ours[name] and not spec[name] and not is_answer:
            found.add(f"!{name}")
    return found
