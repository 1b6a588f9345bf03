"""An OpenAPI 3.1 document from the route table and the types of bodies, query strings and answers."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from ranvier.http.route import Auth, Route

_PARAMETER = re.compile(r"\{([^}]+)\}")
_REF = "#/components/schemas/{name}"
_ERROR_SCHEMA = {
    "type": "object",
    "required": ["errcode", "error"],
    "properties": {
        "errcode": {"type": "string"},
        "error": {"type": "string"},
        "retry_after_ms": {"type": "integer"},
        "soft_logout": {"type": "boolean"},
    },
    # Further fields belong to single codes: `current_version`, `room_version`, `consent_uri`, `completed` and such.
    "additionalProperties": True,
}


def document(routes: Iterable[Route], *, title: str = "Ranvier", version: str = "1") -> dict[str, Any]:
    """The document of `routes`."""
    table = sorted(routes, key=lambda route: (route.path, route.method))
    types = _types(table)
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    schema_of = dict(zip(map(_key, types), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in table:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schema_of, components)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "paths": paths,
        "components": {
            "schemas": {**components, "MatrixError": _ERROR_SCHEMA},
            "securitySchemes": {"accessToken": {"type": "http", "scheme": "bearer"}},
        },
    }


def _types(routes: Sequence[Route]) -> list[Any]:
    found: dict[str, Any] = {}
    for route in routes:
        for kind in (route.body, route.query, route.answer):
            if kind is not None:
                found[_key(kind)] = kind
    return list(found.values())


def _key(kind: Any) -> str:
    """What tells types apart: two modules may each have a `Body`."""
    return f"{getattr(kind, '__module__', '')}.{kind!r}"


def _operation(route: Route, schema_of: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in _PARAMETER.findall(route.path)
    ]
    if route.query is not None:
        parameters += _query_parameters(schema_of[_key(route.query)], components)
    operation: dict[str, Any] = {
        "operationId": f"{route.method} {route.path}",
        "tags": [route.resource],
        "parameters": parameters,
        "responses": _responses(route, schema_of),
    }
    if route.summary:
        operation["summary"] = route.summary
    if route.spec:
        operation["description"] = f"Spec: {route.spec}"
    if route.auth is not Auth.NONE:
        operation["security"] = [{"accessToken": []}] + ([{}] if route.auth is Auth.OPTIONAL else [])
    if route.body is not None:
        operation["requestBody"] = {"content": {"application/json": {"schema": schema_of[_key(route.body)]}}}
    return operation


def _responses(route: Route, schema_of: dict[str, Any]) -> dict[str, Any]:
    success: dict[str, Any] = {"description": "Success"}
    if route.answer is not None:
        success["content"] = {"application/json": {"schema": schema_of[_key(route.answer)]}}
    error = {
        "description": "Error",
        "content": {"application/json": {"schema": {"$ref": _REF.format(name="MatrixError")}}},
    }
    return {"200": success, "default": error}


def _query_parameters(schema: dict[str, Any], components: dict[str, Any]) -> list[dict[str, Any]]:
    """A parameter for each field of the query's Struct."""
    name = schema["$ref"].rpartition("/")[2]
    struct = components[name]
    required = set(struct.get("required", ()))
    return [
        {"name": field, "in": "query", "required": field in required, "schema": kind}
        for field, kind in struct.get("properties", {}).items()
    ]
