"""The endpoints by which other servers ask: who may, shapes, and what is wrong with questions."""

import json
from collections.abc import AsyncIterator, Collection, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from ranvier.http.listeners import app_for
from ranvier.proto.errors import MatrixError
from ranvier.proto.signing import SigningKey, sign_json
from ranvier.proto.unpadded_base64 import encode_base64
from tests.api.asgi import Answer, Client, part
from tests.api.homeserver import Homeserver, running
from tests.e2ee.person import Person, register
from tests.federation.asked import OTHER, OWN, REMOTE, Asked, message
from tests.rooms.remote_room import RemoteRoom

LISTENERS = [{"type": "http", "port": 0, "resources": [{"names": ["client", "federation"]}]}]


class TrustingAuthenticator:
    """Believes who says to be whom."""

    async def authenticate_server(self, *, method: str, target: str, headers: Collection[str], body: bytes) -> str:
        for header in headers:
            return header.removeprefix("X-Matrix ")
        raise MatrixError(401, "M_UNAUTHORIZED", "Not signed")


class Peer:
    """Another server."""

    def __init__(self, asked: Asked, name: str | None) -> None:
        server = asked.server.server
        self._app = app_for(
            server.config.listeners[0],
            asked.routes(),
            authenticator=server.users.sessions,
            servers=TrustingAuthenticator(),
            limiters=server.limiters,
        )
        self._headers = [(b"host", b"localhost")]
        if name is not None:
            self._headers.append((b"authorization", f"X-Matrix {name}".encode()))

    async def get(self, path: str, **query: str | list[str]) -> Answer:
        return await self._ask("GET", f"{path}?{urlencode(query, doseq=True)}", b"")

    async def post(self, path: str, body: object) -> Answer:
        return await self._ask("POST", path, json.dumps(body).encode())

    async def _ask(self, method: str, path: str, content: bytes) -> Answer:
        headers = [*self._headers, (b"content-length", str(len(content)).encode())]
        status, answered, body = await self._app.handle(method, f"/_matrix/federation/v1/{path}", headers, content)
        return Answer(status, {name.decode(): value.decode() for name, value in answered}, body)


async def started(tmp_path: Path, **options: object) -> AsyncIterator[Homeserver]:
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}
    async with running(database, listeners=LISTENERS, **options) as server:
        yield server


@pytest.fixture
async def homeserver(tmp_path: Path, options: Mapping[str, Any]) -> AsyncIterator[Homeserver]:
    async for server in started(tmp_path, **options):
        yield server


@pytest.fixture
def options() -> Mapping[str, Any]:
    """Further options of the configuration."""
    return {}


@pytest.fixture
def asked(homeserver: Homeserver) -> Asked:
    return Asked(homeserver)


@pytest.fixture
def remote(asked: Asked) -> Peer:
    return Peer(asked, REMOTE)


@pytest.fixture
def other(asked: Asked) -> Peer:
    return Peer(asked, OTHER)


@pytest.fixture
async def room(homeserver: Homeserver, alice: Client) -> RemoteRoom:
    """A room of another server that alice is in."""
    room = RemoteRoom()
    await room.let_in(homeserver, alice.user_id)
    return room


async def test_nobody_asks_without_a_name(asked: Asked) -> None:
    nobody = Peer(asked, None)
    for route in asked.routes():
        path = route.path.removeprefix("/_matrix/federation/v1/").replace("{", "").replace("}", "")
        if route.path.startswith("/_matrix/federation/v1/"):
            answer = await (nobody.get(path) if route.method == "GET" else nobody.post(path, {}))
            answer.refused(401, "M_UNAUTHORIZED")


class TestHistory:
    async def test_shapes(self, asked: Asked, remote: Peer, room: RemoteRoom) -> None:
        says = [room.tell("m.room.message", message(str(number))) for number in range(3)]
        await asked.accept(room, *says)
        room_id = part(room.room_id)
        answer = (await remote.get(f"backfill/{room_id}", v=[says[1].event_id, says[2].event_id], limit="2")).ok()
        assert answer["origin"] == OWN
        assert answer["origin_server_ts"] > 0
        assert answer["pdus"] == [says[2].pdu, says[1].pdu]
        body = {"latest_events": [says[2].event_id], "earliest_events": [says[0].event_id]}
        answer = (await remote.post(f"get_missing_events/{room_id}", body)).ok()
        assert answer == {"events": [says[1].pdu]}
        answer = (await remote.get(f"event/{part(says[0].event_id)}")).ok()
        assert answer["pdus"] == [says[0].pdu]
        answer = (await remote.get(f"timestamp_to_event/{room_id}", ts="0", dir="f")).ok()
        assert answer["origin_server_ts"] <= says[0].origin_server_ts
        answer = (await remote.get(f"timestamp_to_event/{room_id}", ts=str(1 << 50), dir="b")).ok()
        assert answer == {"event_id": says[2].event_id, "origin_server_ts": says[2].origin_server_ts}
        (await remote.get(f"timestamp_to_event/{room_id}", ts="0", dir="b")).refused(404, "M_NOT_FOUND")
        answer = (await remote.get(f"state/{room_id}", event_id=says[0].event_id)).ok()
        assert len(answer["pdus"]) == 5
        assert len(answer["auth_chain"]) == 4
        answer = (await remote.get(f"state_ids/{room_id}", event_id=says[0].event_id)).ok()
        assert (len(answer["pdu_ids"]), len(answer["auth_chain_ids"])) == (5, 4)
        answer = (await remote.get(f"event_auth/{room_id}/{part(says[0].event_id)}")).ok()
        assert len(answer["auth_chain"]) == 3

    async def test_bad_questions(self, remote: Peer, room: RemoteRoom) -> None:
        room_id = part(room.room_id)
        (await remote.get(f"backfill/{room_id}", limit="2")).refused(400, "M_MISSING_PARAM")
        (await remote.get(f"backfill/{room_id}", v="$x")).refused(400, "M_MISSING_PARAM")
        (await remote.get(f"backfill/{room_id}", v="$x", limit="many")).refused(400, "M_INVALID_PARAM")
        (await remote.get(f"state/{room_id}")).refused(400, "M_MISSING_PARAM")
        (await remote.get(f"state_ids/{room_id}")).refused(400, "M_MISSING_PARAM")
        (await remote.post(f"get_missing_events/{room_id}", {"latest_events": []})).refused(400, "M_BAD_JSON")
        (await remote.post(f"get_missing_events/{room_id}", [])).refused(400, "M_BAD_JSON")
        body = {"latest_events": [], "earliest_events": [], "limit": "x"}
        (await remote.post(f"get_missing_events/{room_id}", body)).refused(400, "M_BAD_JSON")
        (await remote.get(f"timestamp_to_event/{room_id}", ts="x", dir="f")).refused(400, "M_INVALID_PARAM")
        (await remote.get(f"timestamp_to_event/{room_id}", ts="0", dir="x")).refused(400, "M_INVALID_PARAM")
        (await remote.get(f"event/{part('$' + chr(0))}")).refused(404, "M_NOT_FOUND")
        (await remote.get(f"state/{part('!x' + chr(0))}", event_id="$x")).refused(404, "M_NOT_FOUND")

    async def test_strangers(self, other: Peer, room: RemoteRoom) -> None:
        room_id, tip = part(room.room_id), room.tip.event_id
        (await other.get(f"backfill/{room_id}", v=tip, limit="2")).refused(403, "M_FORBIDDEN")
        (await other.get(f"state/{room_id}", event_id=tip)).refused(403, "M_FORBIDDEN")
        (await other.get(f"state_ids/{room_id}", event_id=tip)).refused(403, "M_FORBIDDEN")
        (await other.get(f"event/{part(tip)}")).refused(403, "M_FORBIDDEN")
        (await other.get(f"event_auth/{room_id}/{part(tip)}")).refused(403, "M_FORBIDDEN")


class TestHierarchy:
    async def test_a_space(self, other: Peer, alice: Client) -> None:
        child = await alice.create_room(preset="public_chat", name="Den")
        hidden = await alice.create_room(preset="private_chat")
        room_id = await alice.create_room(preset="public_chat", creation_content={"type": "m.space"})
        for state_key in (child, hidden):
            (await alice.set_state(room_id, "m.space.child", {"via": [OWN]}, state_key)).ok()
        answer = (await other.get(f"hierarchy/{part(room_id)}", suggested_only="false")).ok()
        assert answer["room"]["room_id"] == room_id
        assert {event["state_key"] for event in answer["room"]["children_state"]} == {child, hidden}
        assert [room["name"] for room in answer["children"]] == ["Den"]
        assert answer["inaccessible_children"] == [hidden]
        answer = (await other.get(f"hierarchy/{part(child)}")).ok()
        assert answer["room"]["children_state"] == []
        (await other.get(f"hierarchy/{part(hidden)}")).refused(404, "M_NOT_FOUND")
        (await other.get(f"hierarchy/{part(room_id)}", suggested_only="x")).refused(400, "M_INVALID_PARAM")


class TestDirectory:
    async def test_it_is_not_shown(self, other: Peer) -> None:
        (await other.get("publicRooms")).refused(403, "M_FORBIDDEN")
        (await other.post("publicRooms", {})).refused(403, "M_FORBIDDEN")

    @pytest.mark.parametrize("options", [{"allow_public_rooms_over_federation": True}])
    async def test_it_is_shown(self, other: Peer, alice: Client) -> None:
        rooms = [
            await alice.create_room(preset="public_chat", visibility="public", name=f"Den {number}")
            for number in range(3)
        ]
        answer = (await other.get("publicRooms", limit="2")).ok()
        assert len(answer["chunk"]) == 2
        assert answer["total_room_count_estimate"] == 3
        more = (await other.get("publicRooms", limit="2", since=answer["next_batch"])).ok()
        assert {room["room_id"] for room in answer["chunk"] + more["chunk"]} == set(rooms)
        found = (await other.post("publicRooms", {"filter": {"generic_search_term": "den 1"}})).ok()
        assert [room["room_id"] for room in found["chunk"]] == [rooms[1]]
        assert (await other.get("publicRooms", third_party_instance_id="irc")).ok()["chunk"] == []
        (await other.get("publicRooms", since="x")).refused(400, "M_INVALID_PARAM")
        (await other.get("publicRooms", limit="-1")).refused(400, "M_INVALID_PARAM")

    async def test_aliases(self, other: Peer, alice: Client) -> None:
        room_id = await alice.create_room(room_alias_name="den")
        answer = (await other.get("query/directory", room_alias=f"#den:{OWN}")).ok()
        assert answer == {"room_id": room_id, "servers": [OWN]}
        (await other.get("query/directory", room_alias=f"#none:{OWN}")).refused(404, "M_NOT_FOUND")
        (await other.get("query/directory", room_alias=f"#den:{REMOTE}")).refused(404, "M_NOT_FOUND")
        (await other.get("query/directory", room_alias="den")).refused(400, "M_INVALID_PARAM")
        (await other.get("query/directory")).refused(400, "M_MISSING_PARAM")

    async def test_other_queries(self, other: Peer) -> None:
        (await other.get("query/weather")).refused(404, "M_UNRECOGNIZED")


class TestProfiles:
    async def test_profiles(self, other: Peer, alice: Client) -> None:
        (await alice.put(f"/profile/{part(alice.user_id)}/displayname", {"displayname": "Alice"})).ok()
        assert (await other.get("query/profile", user_id=alice.user_id)).ok() == {"displayname": "Alice"}
        answer = (await other.get("query/profile", user_id=alice.user_id, field="displayname")).ok()
        assert answer == {"displayname": "Alice"}
        answer = await other.get("query/profile", user_id=alice.user_id, field="avatar_url")
        answer.refused(404, "M_NOT_FOUND")
        (await other.get("query/profile", user_id=f"@nobody:{OWN}")).refused(404, "M_NOT_FOUND")
        # We ask nobody else for a third server.
        (await other.get("query/profile", user_id=f"@bob:{REMOTE}")).refused(404, "M_NOT_FOUND")
        (await other.get("query/profile", user_id="alice")).refused(400, "M_INVALID_PARAM")
        (await other.get("query/profile")).refused(400, "M_MISSING_PARAM")

    @pytest.mark.parametrize("options", [{"allow_profile_lookup_over_federation": False}])
    async def test_they_are_not_shown(self, other: Peer, alice: Client) -> None:
        (await other.get("query/profile", user_id=alice.user_id)).refused(403, "M_FORBIDDEN")


class TestKeys:
    async def test_devices(self, homeserver: Homeserver, other: Peer) -> None:
        person = await register(homeserver, "paula")
        await person.publish()
        (await person.client.put(f"/devices/{part(person.device_id)}", {"display_name": "Phone"})).ok()
        answer = (await other.get(f"user/devices/{part(person.user_id)}")).ok()
        assert answer["user_id"] == person.user_id
        assert answer["stream_id"] > 0
        assert answer["devices"] == [{"device_id": person.device_id, "keys": person.device_keys}]
        again = (await other.get(f"user/devices/{part(person.user_id)}")).ok()
        assert again["stream_id"] == answer["stream_id"]
        (await other.get(f"user/devices/{part(f'@nobody:{OWN}')}")).refused(404, "M_NOT_FOUND")
        (await other.get(f"user/devices/{part(f'@bob:{REMOTE}')}")).refused(404, "M_NOT_FOUND")

    @pytest.mark.parametrize("options", [{"allow_device_name_lookup_over_federation": True}])
    async def test_names_of_devices(self, homeserver: Homeserver, other: Peer) -> None:
        person = await register(homeserver, "paula")
        await person.publish()
        (await person.client.put(f"/devices/{part(person.device_id)}", {"display_name": "Phone"})).ok()
        answer = (await other.get(f"user/devices/{part(person.user_id)}")).ok()
        assert answer["devices"] == [
            {"device_id": person.device_id, "keys": person.device_keys, "device_display_name": "Phone"}
        ]
        answer = (await other.post("user/keys/query", {"device_keys": {person.user_id: []}})).ok()
        told = answer["device_keys"][person.user_id][person.device_id]
        assert told == {**person.device_keys, "unsigned": {"device_display_name": "Phone"}}

    async def test_queries(self, homeserver: Homeserver, other: Peer) -> None:
        person, friend = await register(homeserver, "paula"), await register(homeserver, "frida")
        await person.publish()
        (await person.client.put(f"/devices/{part(person.device_id)}", {"display_name": "Phone"})).ok()
        wanted: dict[str, list[str]] = {
            user_id: [] for user_id in (person.user_id, friend.user_id, f"@bob:{REMOTE}", "x")
        }
        answer = (await other.post("user/keys/query", {"device_keys": wanted})).ok()
        assert answer == {
            "device_keys": {person.user_id: {person.device_id: person.device_keys}, friend.user_id: {}},
            "master_keys": {},
            "self_signing_keys": {},
        }
        wanted = {person.user_id: ["OTHER", "OTHER"]}
        answer = (await other.post("user/keys/query", {"device_keys": wanted})).ok()
        assert answer["device_keys"] == {person.user_id: {}}
        (await other.post("user/keys/query", {})).refused(400, "M_BAD_JSON")
        (await other.post("user/keys/query", {"device_keys": {person.user_id: 7}})).refused(400, "M_BAD_JSON")

    async def test_cross_signing_keys(self, homeserver: Homeserver, other: Peer) -> None:
        person = await register(homeserver, "paula")
        await upload_cross_signing(person)
        answer = (await other.post("user/keys/query", {"device_keys": {person.user_id: []}})).ok()
        assert answer["master_keys"][person.user_id]["usage"] == ["master"]
        assert answer["self_signing_keys"][person.user_id]["usage"] == ["self_signing"]
        assert "user_signing_keys" not in answer
        devices = (await other.get(f"user/devices/{part(person.user_id)}")).ok()
        assert devices["master_key"] == answer["master_keys"][person.user_id]
        assert devices["self_signing_key"] == answer["self_signing_keys"][person.user_id]

    async def test_claims(self, homeserver: Homeserver, other: Peer) -> None:
        person = await register(homeserver, "paula")
        await person.publish()
        (await person.upload(one_time_keys=person.one_time_keys("a"), fallback_keys=person.fallback_key("f"))).ok()
        wanted = {
            person.user_id: {person.device_id: "signed_curve25519", "NONE": "signed_curve25519"},
            f"@bob:{REMOTE}": {"B": "signed_curve25519"},
        }
        names = []
        for _ in range(3):
            answer = (await other.post("user/keys/claim", {"one_time_keys": wanted})).ok()
            names += list(answer["one_time_keys"][person.user_id].pop(person.device_id))
            assert answer == {"one_time_keys": {person.user_id: {}}}
        assert names == ["signed_curve25519:a", "signed_curve25519:f", "signed_curve25519:f"]
        (await other.post("user/keys/claim", {"one_time_keys": {person.user_id: []}})).refused(400, "M_BAD_JSON")


async def upload_cross_signing(person: Person) -> None:
    """A master key, and a self-signing key that it has signed."""

    def key(usage: str, seed: int) -> tuple[dict[str, Any], SigningKey]:
        public = encode_base64(SigningKey("", bytes([seed] * 32)).public_key)
        told = {"user_id": person.user_id, "usage": [usage], "keys": {f"ed25519:{public}": public}}
        return told, SigningKey(f"ed25519:{public}", bytes([seed] * 32))

    master, signer = key("master", 1)
    signing = sign_json(key("self_signing", 2)[0], person.user_id, signer)
    user_signing = sign_json(key("user_signing", 3)[0], person.user_id, signer)
    body = {"master_key": master, "self_signing_key": signing, "user_signing_key": user_signing}
    answer = await person.client.post("/keys/device_signing/upload", body)
    if answer.status == 401:
        answer = await person.confirmed("/keys/device_signing/upload", body)
    answer.ok()
