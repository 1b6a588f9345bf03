"""What this server publishes about itself, and tells of others."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ranvier.api.federation.keys import KeysApi
from ranvier.api.federation.version import FederationVersionApi
from ranvier.config.load import parse
from ranvier.db.engine import Database
from ranvier.db.open import open_database
from ranvier.federation.known_keys import KnownKeys
from ranvier.federation.notary import KeyNotary
from ranvier.http.dispatch import HttpApp
from ranvier.http.listeners import app_for
from ranvier.ports import FederationAnswer
from ranvier.proto.key_documents import read_key_document
from ranvier.proto.signing import check_json
from tests.federation.key_servers import DAY_MS, OWN, World, key
from tests.federation.wire import Asked
from tests.http.server import Tokens

QUERY = "/_matrix/key/v2/query"


@pytest.fixture
async def db(db_config: dict[str, object]) -> AsyncIterator[Database]:
    database = await open_database(parse({"server_name": OWN, "database": db_config}).database, now_ms=1)
    yield database
    await database.close()


@pytest.fixture
def world(db: Database) -> World:
    return World(db)


@pytest.fixture
def app(world: World) -> HttpApp:
    config = parse({"server_name": OWN, "listeners": [{"port": 1, "resources": [{"names": ["federation"]}]}]})
    own, known = world.own(), KnownKeys(db=world.db)
    finder = world.finder(known=known)
    notary = KeyNotary(own=own, known=known, finder=finder, signing_keys=[key(OWN)], clock=world.clock)
    routes = [*KeysApi(own=own, notary=notary).routes(), *FederationVersionApi(version="7").routes()]
    return app_for(config.listeners[0], routes, authenticator=Tokens(), limiters={})


async def ask(app: HttpApp, method: str, target: str, body: object = None) -> tuple[int, Any]:
    content = b"" if body is None else json.dumps(body).encode()
    status, _, answer = await app.handle(method, target, (), content)
    return status, json.loads(answer)


async def test_own_keys_are_signed_with_each_of_them(app: HttpApp, world: World) -> None:
    for target in ("/_matrix/key/v2/server", "/_matrix/key/v2/server/ed25519:1"):
        status, document = await ask(app, "GET", target)
        assert status == 200
        assert set(document["verify_keys"]) == {"ed25519:1", "ed25519:second"}
        assert document["old_verify_keys"]["ed25519:old"]["expired_ts"] == world.clock.now_ms() - DAY_MS
        assert document["valid_until_ts"] == world.clock.now_ms() + DAY_MS
        for signing in (key(OWN), key(OWN, "second")):
            check_json(document, OWN, {signing.key_id: signing.public_key})
        assert read_key_document(document, OWN).verify_keys["ed25519:1"] == key(OWN).public_key


async def test_own_keys_are_never_about_to_end(app: HttpApp, world: World) -> None:
    for _ in range(50):
        document = (await ask(app, "GET", "/_matrix/key/v2/server"))[1]
        assert document["valid_until_ts"] - world.clock.now_ms() >= 22 * 3600 * 1000
        world.clock.advance(1000)


async def test_the_version_is_told(app: HttpApp) -> None:
    assert await ask(app, "GET", "/_matrix/federation/v1/version") == (
        200,
        {"server": {"name": "Ranvier", "version": "7"}},
    )


async def test_a_notary_signs_what_the_server_signed(app: HttpApp, world: World) -> None:
    peer = world.peer("a.test")
    status, answer = await ask(app, "GET", f"{QUERY}/a.test")
    assert status == 200
    (document,) = answer["server_keys"]
    for name, signing in (("a.test", peer.keys[0]), (OWN, key(OWN))):
        check_json(document, name, {signing.key_id: signing.public_key})
    assert world.wire.count("a.test") == 1
    assert (await ask(app, "GET", f"{QUERY}/a.test/ed25519:1"))[1] == answer
    assert world.wire.count("a.test") == 1


async def test_answers_are_kept_for_half_of_their_time_and_longer_if_nobody_is_there(
    app: HttpApp, world: World
) -> None:
    world.peer("a.test")
    first = await ask(app, "GET", f"{QUERY}/a.test")
    world.clock.advance(11 * 3600)
    assert await ask(app, "GET", f"{QUERY}/a.test") == first
    world.clock.advance(2 * 3600)
    second = await ask(app, "GET", f"{QUERY}/a.test")
    assert second != first
    del world.wire.servers["a.test"]
    world.clock.advance(100 * 24 * 3600)
    assert await ask(app, "GET", f"{QUERY}/a.test") == second


async def test_newer_keys_are_had_for_who_needs_them(app: HttpApp, world: World) -> None:
    world.peer("a.test")
    await ask(app, "GET", f"{QUERY}/a.test")
    world.clock.advance(3600)
    wanted = world.clock.now_ms() + DAY_MS
    (document,) = (await ask(app, "GET", f"{QUERY}/a.test?minimum_valid_until_ts={wanted}"))[1]["server_keys"]
    assert document["valid_until_ts"] >= wanted
    assert world.wire.count("a.test") == 2
    # What cannot be is asked for no more than now and then.
    for _ in range(20):
        await ask(app, "GET", f"{QUERY}/a.test?minimum_valid_until_ts={wanted + 100 * DAY_MS}")
    assert world.wire.count("a.test") == 2


async def test_several_servers_at_once(app: HttpApp, world: World) -> None:
    world.peer("a.test")
    world.peer("b.test")
    asked = {"a.test": {}, "b.test": {"ed25519:1": {"minimum_valid_until_ts": 5}}, "gone.test": {}, OWN: {}}
    status, answer = await ask(app, "POST", QUERY, {"server_keys": asked})
    assert status == 200
    assert {document["server_name"] for document in answer["server_keys"]} == {"a.test", "b.test", OWN}
    assert await ask(app, "POST", QUERY, {"server_keys": {}}) == (200, {"server_keys": []})


async def test_unreachable_servers_give_an_empty_list(app: HttpApp) -> None:
    assert await ask(app, "GET", f"{QUERY}/gone.test") == (200, {"server_keys": []})


@pytest.mark.parametrize(
    ("method", "target", "body", "errcode"),
    [
        ("GET", f"{QUERY}/not%20a%20name", None, "M_INVALID_PARAM"),
        ("GET", f"{QUERY}/a.test?minimum_valid_until_ts=soon", None, "M_INVALID_PARAM"),
        ("POST", QUERY, {}, "M_BAD_JSON"),
        ("POST", QUERY, {"server_keys": []}, "M_BAD_JSON"),
        ("POST", QUERY, {"server_keys": {"a.test": {"ed25519:1": {"minimum_valid_until_ts": "x"}}}}, "M_BAD_JSON"),
        ("POST", QUERY, {"server_keys": {"not a name": {}}}, "M_INVALID_PARAM"),
        ("POST", QUERY, {"server_keys": {f"s{number}.test": {} for number in range(1001)}}, "M_INVALID_PARAM"),
        ("POST", QUERY, {"server_keys": {"a.test": {f"ed25519:{n}": {} for n in range(101)}}}, "M_INVALID_PARAM"),
    ],
)
async def test_questions_that_make_no_sense(app: HttpApp, method: str, target: str, body: object, errcode: str) -> None:
    status, answer = await ask(app, method, target, body)
    assert (status, answer["errcode"]) == (400, errcode)


async def test_one_question_reaches_few_servers(app: HttpApp, world: World) -> None:
    asked: dict[str, object] = {f"s{number}.test": {} for number in range(500)}
    await ask(app, "POST", QUERY, {"server_keys": asked})
    assert len(world.wire.asked) <= 32


async def test_what_is_known_of_a_server_that_swallows_requests_is_told_in_a_moment(app: HttpApp, world: World) -> None:
    peer = world.peer("a.test")
    question: dict[str, Any] = {"server_keys": {"a.test": {}}}
    assert (await ask(app, "POST", QUERY, question))[1]["server_keys"]

    async def swallow(asked: Asked) -> FederationAnswer:
        await asyncio.Event().wait()
        raise AssertionError

    world.wire.servers["a.test"] = swallow
    world.clock.advance(20 * 3600)
    async with asyncio.timeout(30):
        (told,) = (await ask(app, "POST", QUERY, question))[1]["server_keys"]
    assert read_key_document(told, "a.test").verify_keys == {one.key_id: one.public_key for one in peer.keys}
    assert world.wire.count("a.test") == 2
