"""Replacing a room by one of another version."""

from typing import Any

import pytest

from tests.api.asgi import Client, in_room, part
from tests.api.homeserver import SERVER_NAME, Homeserver


async def upgrade(client: Client, room_id: str, version: str = "11", **body: object) -> str:
    answer = await client.post(f"{in_room(room_id)}/upgrade", {"new_version": version, **body})
    new_id: str = answer.ok()["replacement_room"]
    return new_id


async def content(client: Client, room_id: str, type: str, state_key: str = "") -> Any:
    return (await client.state(room_id, type, state_key)).ok()


async def event(client: Client, room_id: str, type: str) -> Any:
    return (await client.state(room_id, type, format="event")).ok()


async def level_of(client: Client, room_id: str, user_id: str) -> object:
    return (await content(client, room_id, "m.room.power_levels"))["users"].get(user_id)


async def test_the_rooms_point_at_each_other(alice: Client) -> None:
    old = await alice.create_room(room_version="10", creation_content={"type": "m.space", "m.federate": False, "x": 1})
    new = await upgrade(alice, old)
    tombstone = await event(alice, old, "m.room.tombstone")
    assert tombstone["content"]["replacement_room"] == new
    assert isinstance(tombstone["content"]["body"], str)
    assert await content(alice, new, "m.room.create") == {
        "room_version": "11",
        "type": "m.space",
        "m.federate": False,
        "predecessor": {"room_id": old, "event_id": tombstone["event_id"]},
    }


async def test_rooms_that_are_named_by_their_create_event(alice: Client, bob: Client) -> None:
    old = await alice.create_room(room_version="11", preset="public_chat")
    new = await upgrade(alice, old, "12", additional_creators=[bob.user_id])
    assert (await content(alice, old, "m.room.tombstone"))["replacement_room"] == new
    create = await event(alice, new, "m.room.create")
    assert new == "!" + create["event_id"][1:]
    assert create["content"] == {
        "room_version": "12",
        "predecessor": {"room_id": old},
        "additional_creators": [bob.user_id],
    }
    levels = await content(alice, new, "m.room.power_levels")
    assert levels["users"] == {}
    assert levels["events"]["m.room.tombstone"] == 150
    newer = await upgrade(alice, new, "12")
    create = await event(alice, newer, "m.room.create")
    assert create["content"] == {"room_version": "12", "predecessor": {"room_id": new}}


async def test_back_to_a_version_without_creators(alice: Client, bob: Client) -> None:
    old = await alice.create_room(room_version="12", preset="trusted_private_chat", invite=[bob.user_id])
    new = await upgrade(alice, old, "11", additional_creators=["ignored"])
    assert await level_of(alice, new, alice.user_id) == 100
    assert await level_of(alice, new, bob.user_id) is None


@pytest.mark.parametrize("versions", [("1", "6"), ("6", "9"), ("9", "10"), ("11", "11"), ("11", "1")])
async def test_every_kind_of_version(alice: Client, versions: tuple[str, str]) -> None:
    old = await alice.create_room(room_version=versions[0], name="Den")
    new = await upgrade(alice, old, versions[1])
    assert (await content(alice, new, "m.room.create"))["room_version"] == versions[1]
    assert await content(alice, new, "m.room.name") == {"name": "Den"}


STATE = [
    ("m.room.join_rules", {"join_rule": "knock"}),
    ("m.room.history_visibility", {"history_visibility": "joined"}),
    ("m.room.guest_access", {"guest_access": "forbidden"}),
    ("m.room.encryption", {"algorithm": "m.megolm.v1.aes-sha2"}),
    ("m.room.server_acl", {"allow": ["*"], "deny": ["evil.example"]}),
    ("m.room.name", {"name": "Den"}),
    ("m.room.topic", {"topic": "Dens"}),
    ("m.room.avatar", {"url": "mxc://ranvier.test/den"}),
]


async def test_the_state_goes_along(alice: Client, bob: Client) -> None:
    old = await alice.create_room(
        room_version="10",
        preset="public_chat",
        initial_state=[{"type": type, "content": content} for type, content in STATE],
    )
    (await alice.set_state(old, "org.example.own", {"x": 1})).ok()
    new = await upgrade(alice, old)
    for type, expected in STATE:
        assert await content(alice, new, type) == expected
    (await alice.state(new, "org.example.own")).refused(404, "M_NOT_FOUND")
    assert await content(alice, new, "m.room.power_levels") == {
        **await content(alice, old, "m.room.power_levels"),
        "events_default": 0,
        "invite": 50,
    }
    members = (await alice.get(f"{in_room(new)}/members")).ok()["chunk"]
    assert [member["state_key"] for member in members] == [alice.user_id]


async def test_bans_go_along(alice: Client, bob: Client, carol: Client) -> None:
    old = await alice.create_room(preset="public_chat")
    (await alice.act(old, "ban", user_id=bob.user_id, reason="noise")).ok()
    (await carol.act(old, "join")).ok()
    new = await upgrade(alice, old)
    assert await content(alice, new, "m.room.member", bob.user_id) == {"membership": "ban", "reason": "noise"}
    (await bob.act(new, "join")).refused(403, "M_FORBIDDEN")
    (await carol.act(new, "join")).ok()


async def test_children_of_a_space_go_along(alice: Client) -> None:
    child = await alice.create_room()
    old = await alice.create_room(creation_content={"type": "m.space"})
    (await alice.set_state(old, "m.space.child", {"via": [SERVER_NAME]}, child)).ok()
    (await alice.set_state(old, "m.space.child", {}, "!gone:ranvier.test")).ok()
    new = await upgrade(alice, old)
    assert await content(alice, new, "m.space.child", child) == {"via": [SERVER_NAME]}
    (await alice.state(new, "m.space.child", "!gone:ranvier.test")).refused(404, "M_NOT_FOUND")


async def test_the_old_room_falls_silent(alice: Client, bob: Client, carol: Client) -> None:
    old = await alice.create_room(preset="public_chat", power_level_content_override={"users_default": 10, "invite": 0})
    (await bob.act(old, "join")).ok()
    await upgrade(alice, old)
    levels = await content(alice, old, "m.room.power_levels")
    assert (levels["events_default"], levels["invite"]) == (50, 50)
    (await bob.send(old, "m.room.message", {"body": "still here"})).refused(403, "M_FORBIDDEN")
    (await bob.act(old, "invite", user_id=carol.user_id)).refused(403, "M_FORBIDDEN")


async def test_aliases_and_publication_go_along(alice: Client, bob: Client) -> None:
    old = await alice.create_room(preset="public_chat", visibility="public", room_alias_name="den")
    den, lair = f"#den:{SERVER_NAME}", f"#lair:{SERVER_NAME}"
    (await alice.put(f"/directory/room/{part(lair)}", {"room_id": old})).ok()
    (await alice.set_state(old, "m.room.canonical_alias", {"alias": den, "alt_aliases": [lair]})).ok()
    new = await upgrade(alice, old)
    for alias in (den, lair):
        assert (await alice.get(f"/directory/room/{part(alias)}")).ok()["room_id"] == new
    assert await content(alice, new, "m.room.canonical_alias") == {"alias": den, "alt_aliases": [lair]}
    assert await content(alice, old, "m.room.canonical_alias") == {}
    (room,) = (await alice.get("/publicRooms")).ok()["chunk"]
    assert (room["room_id"], room["canonical_alias"]) == (new, den)
    assert (await bob.post(f"/join/{part(den)}")).ok() == {"room_id": new}


async def test_it_takes_the_power_to_send_a_tombstone(alice: Client, bob: Client, carol: Client) -> None:
    old = await alice.create_room(preset="public_chat")
    (await bob.act(old, "join")).ok()
    for client in (bob, carol):
        answer = await client.post(f"{in_room(old)}/upgrade", {"new_version": "11"})
        answer.refused(403, "M_FORBIDDEN")
    (await alice.state(old, "m.room.tombstone")).refused(404, "M_NOT_FOUND")
    levels = await content(alice, old, "m.room.power_levels")
    levels["events"]["m.room.tombstone"] = 0
    (await alice.set_state(old, "m.room.power_levels", levels)).ok()
    new = await upgrade(bob, old)
    # Who is no admin sets the room up all the same, and is none afterwards.
    copied = await content(bob, new, "m.room.power_levels")
    assert copied["users"] == {alice.user_id: 100}
    assert copied["events"] == levels["events"]
    (await bob.set_state(new, "m.room.name", {"name": "mine"})).refused(403, "M_FORBIDDEN")
    # The old room stays as open as it was: that was not theirs to change.
    await alice.say(old, "still here")


async def test_the_banned_stay_out_whatever_their_power(alice: Client, bob: Client, carol: Client) -> None:
    old = await alice.create_room(preset="public_chat")
    levels = await content(alice, old, "m.room.power_levels")
    levels["users"] |= {bob.user_id: 60, carol.user_id: 50}
    levels["events"]["m.room.tombstone"] = 50
    for client in (bob, carol):
        (await client.act(old, "join")).ok()
    (await alice.set_state(old, "m.room.power_levels", levels)).ok()
    (await alice.act(old, "ban", user_id=bob.user_id)).ok()
    new = await upgrade(carol, old)
    (await bob.act(new, "join")).refused(403, "M_FORBIDDEN")
    assert await level_of(carol, new, carol.user_id) == 50


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        ({"new_version": "99"}, "M_UNSUPPORTED_ROOM_VERSION"),
        ({"new_version": "12", "additional_creators": ["nobody"]}, "M_INVALID_PARAM"),
        ({"new_version": 11}, "M_BAD_JSON"),
        ({}, "M_BAD_JSON"),
    ],
)
async def test_odd_wishes_are_refused(alice: Client, body: dict[str, object], errcode: str) -> None:
    old = await alice.create_room()
    (await alice.post(f"{in_room(old)}/upgrade", body)).refused(400, errcode)


async def test_unknown_rooms(alice: Client) -> None:
    (await alice.post("/rooms/!no:where/upgrade", {"new_version": "11"})).refused(404, "M_NOT_FOUND")


async def test_numbers_of_old_versions_become_integers(alice: Client) -> None:
    old = await alice.create_room(
        room_version="5",
        power_level_content_override={"users": {alice.user_id: "100"}, "ban": " 60 ", "odd": 1.5},
    )
    (await alice.set_state(old, "m.room.topic", {"topic": "x", "odd": 1.5})).ok()
    new = await upgrade(alice, old, "11")
    levels = await content(alice, new, "m.room.power_levels")
    assert (levels["users"], levels["ban"]) == ({alice.user_id: 100}, 60)
    assert "odd" not in levels
    (await alice.state(new, "m.room.topic")).refused(404, "M_NOT_FOUND")


async def test_settings_follow_their_user(alice: Client, bob: Client) -> None:
    old = await alice.create_room(preset="public_chat", is_direct=True)
    mute = {
        "actions": [],
        "conditions": [{"kind": "event_match", "key": "room_id", "pattern": old}],
    }
    for client in (alice, bob):
        await client.act(old, "join")
        user = f"/user/{part(client.user_id)}"
        (await client.put(f"{user}/rooms/{part(old)}/account_data/m.tag", {"tags": {"work": {}}})).ok()
        (await client.put(f"{user}/account_data/m.direct", {"@x:y": ["!a:b", old], "@z:y": ["!a:b"]})).ok()
        (await client.put(f"/pushrules/global/room/{part(old)}", {"actions": ["notify"]})).ok()
        (await client.put(f"/pushrules/global/override/{part(old)}", mute)).ok()
    new = await upgrade(alice, old)
    (await bob.act(new, "join")).ok()
    for client in (alice, bob):
        user = f"/user/{part(client.user_id)}"
        tags = (await client.get(f"{user}/rooms/{part(new)}/account_data/m.tag")).ok()
        assert tags == {"tags": {"work": {}}}
        direct = (await client.get(f"{user}/account_data/m.direct")).ok()
        assert direct == {"@x:y": ["!a:b", old, new], "@z:y": ["!a:b"]}
        rules = (await client.get("/pushrules/")).ok()["global"]
        assert {rule["rule_id"] for rule in rules["room"]} == {old, new}
        copy = next(rule for rule in rules["override"] if rule["rule_id"] == new)
        assert copy["conditions"][0]["pattern"] == new


async def test_on_each_database(homeserver_on_each: Homeserver) -> None:
    alice, bob = [await homeserver_on_each.register(name) for name in ("alice", "bob")]
    old = await alice.create_room(preset="public_chat", visibility="public", room_alias_name="den")
    (await alice.act(old, "ban", user_id=bob.user_id)).ok()
    before = homeserver_on_each.db.counters.write_transactions
    new = await upgrade(alice, old, "12")
    assert homeserver_on_each.db.counters.write_transactions - before <= 4
    assert (await alice.get("/publicRooms")).ok()["chunk"][0]["room_id"] == new
