"""The OpenAPI document that the route table describes itself with."""

from typing import Any

import msgspec

from ranvier.http.openapi import document
from ranvier.http.request import Request
from ranvier.http.response import EMPTY_OBJECT, Response
from ranvier.http.route import Auth, paths, routes


class Body(msgspec.Struct):
    name: str
    tags: list[str] = []


class Query(msgspec.Struct):
    limit: int
    full: bool = False


class Answer(msgspec.Struct):
    event_id: str


async def call(request: Request) -> Response:
    return EMPTY_OBJECT


def resolve(described: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    name = schema["$ref"].removeprefix("#/components/schemas/")
    found = described["components"]["schemas"][name]
    assert isinstance(found, dict)
    return found


def test_routes_are_described_with_their_types() -> None:
    table = routes(
        "PUT",
        paths("/rooms/{room_id}/tags/{tag}"),
        call,
        body=Body,
        query=Query,
        answer=Answer,
        summary="Tag a room",
        spec="setRoomTag",
    )
    described = document(table)
    assert described["openapi"] == "3.1.0"
    assert set(described["paths"]) == {
        "/_matrix/client/r0/rooms/{room_id}/tags/{tag}",
        "/_matrix/client/v3/rooms/{room_id}/tags/{tag}",
    }
    put = described["paths"]["/_matrix/client/v3/rooms/{room_id}/tags/{tag}"]["put"]
    assert [(p["name"], p["in"], p["required"]) for p in put["parameters"]] == [
        ("room_id", "path", True),
        ("tag", "path", True),
        ("limit", "query", True),
        ("full", "query", False),
    ]
    body = resolve(described, put["requestBody"]["content"]["application/json"]["schema"])
    assert body["required"] == ["name"]
    assert body["properties"]["tags"]["items"] == {"type": "string"}
    answer = resolve(described, put["responses"]["200"]["content"]["application/json"]["schema"])
    assert answer["required"] == ["event_id"]
    assert put["security"] == [{"accessToken": []}]
    assert put["summary"] == "Tag a room"


def test_free_bodies_and_open_routes() -> None:
    table = [
        *routes("PUT", "/free", call, auth=Auth.OPTIONAL, body=dict[str, Any]),
        *routes("GET", "/open", call, auth=Auth.NONE),
    ]
    described = document(table)
    free = described["paths"]["/free"]["put"]
    assert free["requestBody"]["content"]["application/json"]["schema"]["type"] == "object"
    assert free["security"] == [{"accessToken": []}, {}]
    assert "security" not in described["paths"]["/open"]["get"]
