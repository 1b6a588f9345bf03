"""Clients of this server get what other servers know."""

from typing import Any

import pytest

from ranvier.app.directory import directory_routes
from ranvier.federation.ask_directory import DirectoryAsking
from ranvier.federation.ask_keys import KeyAsking
from ranvier.federation.ask_profiles import ProfileAsking
from ranvier.federation.ask_spaces import SpaceAsking
from ranvier.http.listeners import app_for
from ranvier.ports import SystemClock
from tests.api.asgi import Client, part
from tests.api.homeserver import Homeserver
from tests.e2ee.person import Person, register
from tests.federation.asked import OWN, REMOTE, Asked
from tests.federation.elsewhere import Elsewhere, Question
from tests.federation.test_queries_asking import cross_signing, device

BOB = f"@bob:{REMOTE}"


@pytest.fixture
def elsewhere(homeserver: Homeserver) -> Elsewhere:
    """Other servers, which clients hear of."""
    elsewhere = Elsewhere()
    server = homeserver.server
    server.users.profiles.remote = ProfileAsking(client=elsewhere.client, clock=SystemClock())
    server.e2ee.queries.remote = server.e2ee.claims.remote = KeyAsking(client=elsewhere.client)
    return elsewhere


@pytest.fixture
def viewer(homeserver: Homeserver, alice: Client, elsewhere: Elsewhere) -> Client:
    """Alice, where rooms are looked at from outside."""
    asked = Asked(homeserver)
    names = DirectoryAsking(client=elsewhere.client)
    asked.directory.aliases.remote = asked.directory.public_rooms.remote = names
    spaces = SpaceAsking(client=elsewhere.client, clock=SystemClock(), server_name=OWN)
    asked.directory.hierarchy.remote = asked.directory.summaries.remote = spaces
    server = homeserver.server
    app = app_for(
        server.config.listeners[0],
        directory_routes(config=server.config, directory=asked.directory, rooms=server.rooms),
        authenticator=server.users.sessions,
        limiters=server.limiters,
    )
    return alice.at(app)


async def test_profiles(alice: Client, elsewhere: Elsewhere) -> None:
    (await alice.get(f"/profile/{part(BOB)}")).refused(502, "M_UNKNOWN")
    elsewhere.answers(REMOTE, {"displayname": "Bob", "m.tz": "Europe/Berlin"})
    assert (await alice.get(f"/profile/{part(BOB)}")).ok() == {"displayname": "Bob", "m.tz": "Europe/Berlin"}
    assert (await alice.get(f"/profile/{part(BOB)}/displayname")).ok() == {"displayname": "Bob"}
    (await alice.get(f"/profile/{part(BOB)}/avatar_url")).refused(404, "M_NOT_FOUND")
    assert len(elsewhere.asked) == 2
    elsewhere.refuses("strict.test", 403, "M_FORBIDDEN")
    (await alice.get(f"/profile/{part('@x:strict.test')}")).refused(403, "M_FORBIDDEN")


async def test_keys_of_both(homeserver: Homeserver, elsewhere: Elsewhere) -> None:
    person = await register(homeserver, "paula")
    await person.publish()
    master, signing = cross_signing(BOB, "master", 1), cross_signing(BOB, "self_signing", 2, signer=1)
    elsewhere.answers(REMOTE, {
        "device_keys": {BOB: {"B": device(BOB, "B")}},
        "master_keys": {BOB: master},
        "self_signing_keys": {BOB: signing},
    })  # fmt: skip
    answer = await person.keys_of(person.user_id, BOB, "@x:down.test")
    assert answer["device_keys"][person.user_id] == {person.device_id: person.device_keys}
    assert answer["device_keys"][BOB] == {"B": device(BOB, "B")}
    assert answer["master_keys"] == {BOB: master}
    assert answer["self_signing_keys"] == {BOB: signing}
    assert list(answer["failures"]) == ["down.test"]


async def test_claims_of_both(homeserver: Homeserver, elsewhere: Elsewhere) -> None:
    person = await register(homeserver, "paula")
    await person.publish()
    (await person.upload(one_time_keys=person.one_time_keys("a"))).ok()
    key = {"key": "k", "signatures": {BOB: {"ed25519:B": "s"}}}
    elsewhere.answers(REMOTE, {"one_time_keys": {BOB: {"B": {"signed_curve25519:1": key}}}})
    wanted = {
        person.user_id: {person.device_id: "signed_curve25519"},
        BOB: {"B": "signed_curve25519"},
        "@x:down.test": {"X": "signed_curve25519"},
    }
    answer = (await person.client.post("/keys/claim", {"one_time_keys": wanted, "timeout": 2000})).ok()
    assert answer["one_time_keys"] == {
        person.user_id: {person.device_id: person.one_time_keys("a")},
        BOB: {"B": {"signed_curve25519:1": key}},
    }
    assert list(answer["failures"]) == ["down.test"]


async def test_what_one_has_signed_of_a_user_elsewhere(homeserver: Homeserver, elsewhere: Elsewhere) -> None:
    person: Person = await register(homeserver, "paula")
    elsewhere.answers(REMOTE, {"device_keys": {}, "master_keys": {BOB: cross_signing(BOB, "master", 1)}})
    queries = homeserver.server.e2ee.queries
    public = next(iter(cross_signing(BOB, "master", 1)["keys"].values()))
    given = await queries.given(person.user_id)
    given[BOB] = {public: {"ed25519:USK": "signature"}}
    answer = await person.keys_of(BOB)
    assert answer["master_keys"][BOB]["signatures"] == {person.user_id: {"ed25519:USK": "signature"}}


async def test_directories_of_other_servers(viewer: Client, elsewhere: Elsewhere) -> None:
    room = {
        "room_id": "!a:x.test",
        "num_joined_members": 2,
        "world_readable": True,
        "guest_can_join": False,
        "name": "A",
    }
    elsewhere.answers(REMOTE, {"chunk": [room], "total_room_count_estimate": 1, "next_batch": "more"})
    answer = (await viewer.get("/publicRooms", server=REMOTE, limit="1")).ok()
    assert answer == {"chunk": [{**room, "join_rule": "public"}], "total_room_count_estimate": 1, "next_batch": "more"}
    body = {"filter": {"generic_search_term": "a"}}
    assert (await viewer.request("POST", f"/_matrix/client/v3/publicRooms?server={REMOTE}", body)).ok() == answer
    assert [question.method for question in elsewhere.asked] == ["GET", "POST"]
    (await viewer.get("/publicRooms", server="down.test")).refused(502, "M_UNKNOWN")
    (await viewer.get("/publicRooms", server="no server")).refused(400, "M_INVALID_PARAM")
    assert (await viewer.get("/publicRooms", server=OWN)).ok()["chunk"] == []


async def test_aliases_of_other_servers(viewer: Client, elsewhere: Elsewhere) -> None:
    elsewhere.answers(REMOTE, {"room_id": "!a:x.test", "servers": ["x.test", REMOTE]})
    answer = (await viewer.get(f"/directory/room/{part(f'#a:{REMOTE}')}")).ok()
    assert answer == {"room_id": "!a:x.test", "servers": ["x.test", REMOTE]}
    (await viewer.get(f"/directory/room/{part('#a:down.test')}")).refused(502, "M_UNKNOWN")


async def test_summaries_of_rooms_elsewhere(viewer: Client, elsewhere: Elsewhere) -> None:
    room = {"room_id": "!a:x.test", "num_joined_members": 2, "world_readable": False, "guest_can_join": False,
            "join_rule": "knock", "name": "A", "room_version": "11"}  # fmt: skip

    async def answer(question: Question) -> Any:
        if question.segments == ("query", "directory"):
            return {"room_id": "!a:x.test", "servers": [REMOTE]}
        return {"room": {**room, "children_state": []}, "children": [], "inaccessible_children": []}

    elsewhere.servers[REMOTE] = answer
    v1 = "/_matrix/client/v1/room_summary"
    expected = {**room, "membership": "leave"}
    assert (await viewer.request("GET", f"{v1}/{part('!a:x.test')}", query={"via": REMOTE})).ok() == expected
    assert (await viewer.request("GET", f"{v1}/{part(f'#a:{REMOTE}')}")).ok() == expected
    (await viewer.request("GET", f"{v1}/{part('!b:x.test')}")).refused(404, "M_NOT_FOUND")
    (await viewer.request("GET", f"{v1}/x")).refused(400, "M_INVALID_PARAM")


async def test_trees_of_rooms_elsewhere(alice: Client, viewer: Client, elsewhere: Elsewhere) -> None:
    child = {"type": "m.space.child", "state_key": "!b:x.test", "sender": BOB, "content": {"via": [REMOTE]},
             "origin_server_ts": 5}  # fmt: skip
    a = {"room_id": "!a:x.test", "num_joined_members": 2, "world_readable": False, "guest_can_join": False,
         "join_rule": "public", "room_type": "m.space", "children_state": [child]}  # fmt: skip
    b = {"room_id": "!b:x.test", "num_joined_members": 1, "world_readable": False, "guest_can_join": False,
         "join_rule": "public"}  # fmt: skip
    elsewhere.answers(REMOTE, {"room": a, "children": [b], "inaccessible_children": []})
    root = await alice.create_room(creation_content={"type": "m.space"})
    (await alice.set_state(root, "m.space.child", {"via": [REMOTE]}, "!a:x.test")).ok()
    answer = (await viewer.request("GET", f"/_matrix/client/v1/rooms/{part(root)}/hierarchy")).ok()
    assert answer["rooms"][1:] == [a, {**b, "children_state": []}]
