"""Every answer is compared with what the OpenAPI document of the route table says about it.

An answer that the document does not describe, or that has a field which the document does not name, fails the test.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import jsonschema_rs
import orjson

from ranvier.http.openapi import document
from ranvier.http.response import Header
from ranvier.http.route import Route
from ranvier.http.router import Router
from ranvier.proto.errors import MatrixError

Schema = dict[str, Any]

_AUTHENTICATION = jsonschema_rs.validator_for(
    {
        "type": "object",
        "required": ["session", "flows", "params"],
        "properties": {
            "session": {"type": "string"},
            "flows": {"type": "array", "items": {"type": "object", "required": ["stages"]}},
            "params": {"type": "object"},
        },
    }
)
"""The 401 of user-interactive authentication."""
_SHARED: dict[tuple[tuple[str, str, Any], ...], "Answers"] = {}


class App(Protocol):
    """What answers requests."""

    async def handle(
        self, method: str, target: str, headers: Sequence[Header] = (), body: bytes = b""
    ) -> tuple[int, list[Header], bytes]:
        """Status, headers and body of the answer."""
        ...


class CheckedApp:
    """An application whose answers are checked."""

    def __init__(self, app: App, routes: Sequence[Route]) -> None:
        self._app = app
        self._answers = answers_of(tuple(routes))

    async def handle(
        self, method: str, target: str, headers: Sequence[Header] = (), body: bytes = b""
    ) -> tuple[int, list[Header], bytes]:
        """See `App`."""
        status, answered, content = await self._app.handle(method, target, headers, body)
        self._answers.check(method, target, status, dict(answered).get(b"content-type", b"").decode(), content)
        return status, answered, content


def answers_of(routes: tuple[Route, ...]) -> "Answers":
    """The check for a route table; servers with the same table share it."""
    key = tuple((route.method, route.path, route.answer) for route in routes)
    found = _SHARED.get(key)
    if found is None:
        found = _SHARED[key] = Answers(routes)
    return found


class Answers:
    """What the routes of one table may answer. A schema is compiled when its route is first asked."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._router = Router(routes)
        described = document(routes)
        self._paths = described["paths"]
        self._schemas = {name: closed(schema) for name, schema in described["components"]["schemas"].items()}
        self._compiled: dict[tuple[str, str, str], jsonschema_rs.Validator | None] = {}

    def check(self, method: str, path: str, status: int, content_type: str, body: bytes) -> None:
        """Raise `AssertionError` if the answer to this request is not as described."""
        try:
            route, _ = self._router.find(method, path.partition("?")[0].encode())
        except MatrixError:
            return
        if not content_type.startswith("application/json"):
            return
        answer = orjson.loads(body)
        if status == 401 and "flows" in answer:
            validator: jsonschema_rs.Validator | None = _AUTHENTICATION
        else:
            validator = self._validator(route, "200" if status in (200, 201) else "default")
        where = f"{method} {route.path} answers {status}"
        assert validator is not None, f"{where}, about which its route says nothing"
        wrong = next(validator.iter_errors(answer), None)
        assert wrong is None, f"{where}, which is not as described: {wrong}\n{body[:2000]!r}"

    def _validator(self, route: Route, status: str) -> jsonschema_rs.Validator | None:
        key = (route.method, route.path, status)
        if key not in self._compiled:
            content = self._paths[route.path][route.method.lower()]["responses"][status].get("content")
            schema = None if content is None else content["application/json"]["schema"]
            self._compiled[key] = None if schema is None else self._compile(schema)
        return self._compiled[key]

    def _compile(self, schema: Schema) -> jsonschema_rs.Validator:
        return jsonschema_rs.validator_for({**closed(schema), "components": {"schemas": self._schemas}})


def closed(schema: Any) -> Any:
    """The schema, in which objects have no other fields than those that are named."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: closed(value) for key, value in schema.items()}
    if (
        isinstance(found.get("properties"), dict)
        and found.get("type") == "object"
        and found.get("title") != "MatrixError"
    ):
        found.setdefault("additionalProperties", False)
    return found
