"""Requests of other servers at our door. Spec: server-server API, "Request Authentication"."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ranvier.config.load import parse
from ranvier.db.engine import Database
from ranvier.db.open import open_database
from ranvier.federation.authenticate import ServerAuthentication
from ranvier.http.dispatch import HttpApp
from ranvier.http.listeners import app_for
from ranvier.http.request import Request
from ranvier.http.response import Response, json_response
from ranvier.http.route import Auth, Route
from ranvier.proto.canonical_json import encode, encode_lenient
from ranvier.proto.key_documents import OldKey
from ranvier.proto.signing import SigningKey
from ranvier.proto.x_matrix import parse_x_matrix, x_matrix_header
from tests.federation.key_servers import DAY_MS, OWN, World, key
from tests.http.server import Tokens

ROUTE = "/_matrix/federation/v1/echo/{word}"
AT = "/_matrix/federation/v1/echo/w"


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    args = {"database": str(tmp_path / "homeserver.db")}
    config = parse({"server_name": OWN, "database": {"name": "sqlite3", "args": args}})
    database = await open_database(config.database, now_ms=1)
    yield database
    await database.close()


class Door:
    """A server with one endpoint, and whom it has seen."""

    def __init__(self, world: World, *, allowed: list[str] | None = None) -> None:
        self.world = world
        self.seen: list[str] = []
        servers = ServerAuthentication(
            server_name=OWN,
            keys=world.keys(),
            allowed=allowed,
            now_ms=world.clock.now_ms,
            seen=self.seen.append,
        )
        config = parse({"server_name": OWN, "listeners": [{"port": 1, "resources": [{"names": ["federation"]}]}]})
        routes = [
            Route(
                method=method,
                path=ROUTE,
                call=_echo,
                auth=Auth.FEDERATION,
                resource="federation",
                body_limit_bytes=9_000,
            )
            for method in ("GET", "PUT", "POST")
        ]
        self.app: HttpApp = app_for(config.listeners[0], routes, authenticator=Tokens(), servers=servers, limiters={})

    async def ask(
        self, method: str, target: str, *authorizations: str, body: bytes = b""
    ) -> tuple[int, dict[str, Any]]:
        headers = [(b"authorization", value.encode()) for value in authorizations]
        status, _, answer = await self.app.handle(method, target, headers, body)
        return status, json.loads(answer)


async def _echo(request: Request) -> Response:
    return json_response({"origin": request.origin, "content": request.content.decode()})


def signed(
    target: str = AT,
    *,
    method: str = "PUT",
    by: SigningKey | None = None,
    origin: str = "a.test",
    to: str = OWN,
    content: bytes | None = None,
) -> str:
    return x_matrix_header(
        method=method, uri=target, origin=origin, destination=to, content=content, key=by or key(origin)
    )


@pytest.fixture
def world(db: Database) -> World:
    return World(db)


@pytest.fixture
def door(world: World) -> Door:
    world.peer("a.test")
    return Door(world)


async def test_who_signs_is_let_in(door: Door) -> None:
    content = encode({"b": 1, "a": [{"é": None}]})
    target = AT + "?x=%20y&x=z"
    status, answer = await door.ask("PUT", target, signed(target, content=content), body=content)
    assert (status, answer) == (200, {"origin": "a.test", "content": content.decode()})
    assert await door.ask("GET", AT, signed(method="GET")) == (200, {"origin": "a.test", "content": ""})
    assert door.seen == ["a.test", "a.test"]
    assert door.world.wire.count("a.test") == 1


@pytest.mark.parametrize(
    ("body", "stands_for"),
    [
        (b'{ "b" : 1,\n "a": "\\u00e9\\/" }', {"a": "é/", "b": 1}),
        (b'{"n": 1.50, "m": 10000000000000000000000000000}', {"n": 1.5, "m": 10**28}),
        (b'{"a":1,"a":2}', {"a": 2}),
        (b" {} ", {}),
    ],
)
async def test_the_content_is_signed_not_its_spelling(door: Door, body: bytes, stands_for: object) -> None:
    assert (await door.ask("PUT", AT, signed(content=encode_lenient(stands_for)), body=body))[0] == 200


async def test_a_server_may_sign_with_several_keys(door: Door) -> None:
    first, unknown = signed(), signed(by=key("a.test", "new"))
    assert (await door.ask("PUT", AT, first, unknown))[0] == 200
    assert (await door.ask("PUT", AT, unknown, first))[0] == 200
    assert (await door.ask("PUT", AT, unknown))[0] == 401
    # Of the keys that are known all have to be right.
    door.world.peer("a.test", "1", "2")
    door.world.clock.advance(100)
    assert (await door.ask("PUT", AT, signed(by=key("a.test", "2")), first))[0] == 200
    assert (await door.ask("PUT", AT, signed(by=key("a.test", "2"))))[0] == 200
    wrong = signed(AT + "/other", by=key("a.test", "2"))
    assert (await door.ask("PUT", AT, first, wrong))[0] == 401


async def test_older_servers_sign_the_destination_and_do_not_name_it(door: Door) -> None:
    claim = parse_x_matrix(signed())
    header = f'X-Matrix origin={claim.origin},key="{claim.key_id}",sig="{claim.signature}"'
    assert (await door.ask("PUT", AT, header))[0] == 200
    claim = parse_x_matrix(signed(to="other.test"))
    header = f'X-Matrix origin={claim.origin},key="{claim.key_id}",sig="{claim.signature}"'
    assert (await door.ask("PUT", AT, header))[0] == 401


@pytest.mark.parametrize(
    "authorizations",
    [
        (),
        ("Bearer alice",),
        ("X-Matrix",),
        ("X-Matrix nonsense",),
        (signed(to="other.test"),),
        (signed().replace(f'destination="{OWN}"', 'destination="other.test"'),),
        (signed(AT + "?a=1"),),
        (signed(AT.replace("/w", "/%77")),),
        (signed(method="POST"),),
        (signed(content=b"{}"),),
        (signed(by=key("evil")),),
        (signed(origin="b.test", by=key("a.test")),),
        (signed().replace("a.test", "b.test"),),
        (signed(), signed(origin="b.test")),
        (signed(origin=OWN),),
        (signed(origin="not a name"),),
        (signed(origin="gone.test"),),
        (signed().replace("ed25519:1", "ed25519:2"),),
        (signed().replace('sig="', 'sig="A'),),
        (signed().replace('sig="', 'sig="é'),),
    ],
)
async def test_who_does_not_stays_outside(door: Door, authorizations: tuple[str, ...]) -> None:
    door.world.peer("b.test")
    status, answer = await door.ask("PUT", AT, *authorizations)
    assert (status, answer["errcode"]) == (401, "M_UNAUTHORIZED")
    assert door.seen == []


async def test_a_changed_body_is_not_signed(door: Door) -> None:
    for body in (b'{"a":2}', b"", b'{"a":1,"b":1}', b'{"a":1}}', b'{"a":1},"x":{}'):
        status, answer = await door.ask("PUT", AT, signed(content=b'{"a":1}'), body=body)
        assert (status, answer["errcode"]) in ((401, "M_UNAUTHORIZED"), (400, "M_NOT_JSON"))


async def test_a_body_cannot_break_out_of_what_is_signed(door: Door) -> None:
    """A signature for one place is no use at another, whatever the body."""
    inner = b'{},"destination":"other.test","method":"PUT","origin":"a.test","uri":"/there"}'
    header = signed("/there", to="other.test", content=b"{}").replace("other.test", OWN)
    assert (await door.ask("PUT", AT, header, body=inner))[0] in (400, 401)


@pytest.mark.parametrize("body", [b"[" * 4000, b'{"a":' * 1000 + b"1" + b"}" * 1000, b"\xff", b"NaN", b'"\\ud800"'])
async def test_bodies_that_are_none(door: Door, body: bytes) -> None:
    status, answer = await door.ask("PUT", AT, signed(content=b"{}"), body=body)
    assert (status, answer["errcode"]) == (400, "M_NOT_JSON")


async def test_large_bodies_are_not_read(door: Door) -> None:
    assert (await door.ask("PUT", AT, signed(), body=b" " * 9_001))[1]["errcode"] == "M_TOO_LARGE"
    assert (await door.ask("PUT", AT, body=b" " * 9_001))[1]["errcode"] == "M_UNAUTHORIZED"


async def test_keys_that_are_out_of_use_sign_no_requests(door: Door) -> None:
    peer = door.world.peer("a.test", "2")
    peer.old["ed25519:1"] = OldKey(key("a.test").public_key, door.world.clock.now_ms() + 9 * DAY_MS)
    assert (await door.ask("PUT", AT, signed(by=key("a.test", "2"))))[0] == 200
    door.world.clock.advance(1)
    assert (await door.ask("PUT", AT, signed()))[0] == 401


async def test_keys_are_had_anew_when_their_time_is_over(door: Door) -> None:
    assert (await door.ask("PUT", AT, signed()))[0] == 200
    door.world.clock.advance(2 * 24 * 3600)
    assert (await door.ask("PUT", AT, signed()))[0] == 200
    assert door.world.wire.count("a.test") == 2
    del door.world.wire.servers["a.test"]
    door.world.clock.advance(2 * 24 * 3600)
    assert (await door.ask("PUT", AT, signed()))[0] == 401


async def test_who_was_away_and_speaks_again_is_asked_for_its_keys(door: Door) -> None:
    door.world.health.away.add("a.test")
    assert (await door.ask("PUT", AT, signed()))[0] == 200


async def test_requests_of_known_servers_cost_no_statement(door: Door) -> None:
    content = encode({"a": 1})
    header = signed(content=content)
    await door.ask("PUT", AT, header, body=content)
    before = door.world.db.counters.statements
    for _ in range(10):
        assert (await door.ask("PUT", AT, header, body=content))[0] == 200
    assert door.world.db.counters.statements == before


async def test_only_those_whom_the_operator_wants(world: World) -> None:
    world.peer("a.test")
    world.peer("b.test")
    door = Door(world, allowed=["a.test"])
    assert (await door.ask("PUT", AT, signed()))[0] == 200
    status, answer = await door.ask("PUT", AT, signed(origin="b.test"))
    assert (status, answer["errcode"]) == (403, "M_FORBIDDEN")
    assert world.wire.count("b.test") == 0


async def test_a_flood_of_invented_servers_is_bounded(door: Door) -> None:
    for _ in range(5):
        for number in range(20):
            await door.ask("PUT", AT, signed(origin=f"s{number}.test"))
    assert len(door.world.wire.asked) == 20
    assert door.world.health.told == []


def test_what_is_signed_cannot_be_streamed() -> None:
    config = parse({"server_name": OWN, "listeners": [{"port": 1, "resources": [{"names": ["federation"]}]}]})
    route = Route(method="PUT", path=ROUTE, call=_echo, auth=Auth.FEDERATION, resource="federation", stream=True)
    with pytest.raises(ValueError, match="read first"):
        app_for(config.listeners[0], [route], authenticator=Tokens(), limiters={})


async def test_a_server_that_does_not_federate_lets_nobody_in() -> None:
    config = parse({"server_name": OWN, "listeners": [{"port": 1, "resources": [{"names": ["federation"]}]}]})
    route = Route(method="PUT", path=ROUTE, call=_echo, auth=Auth.FEDERATION, resource="federation")
    app = app_for(config.listeners[0], [route], authenticator=Tokens(), limiters={})
    status, _, answer = await app.handle("PUT", AT, [(b"authorization", signed().encode())])
    assert (status, json.loads(answer)["errcode"]) == (401, "M_UNAUTHORIZED")
