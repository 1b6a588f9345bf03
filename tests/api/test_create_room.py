"""`POST /createRoom`: what the room looks like, and what is refused."""

import asyncio
from typing import Any

import pytest

from tests.api.asgi import Client, in_room, part


async def content(client: Client, room_id: str, type: str, state_key: str = "") -> Any:
    return (await client.state(room_id, type, state_key)).ok()


PRESETS = [
    ("private_chat", "invite", "can_join"),
    ("trusted_private_chat", "invite", "can_join"),
    ("public_chat", "public", "forbidden"),
]


@pytest.mark.parametrize(("preset", "join_rule", "guest_access"), PRESETS)
async def test_a_preset_sets_its_state(alice: Client, preset: str, join_rule: str, guest_access: str) -> None:
    room_id = await alice.create_room(preset=preset)
    assert await content(alice, room_id, "m.room.join_rules") == {"join_rule": join_rule}
    assert await content(alice, room_id, "m.room.history_visibility") == {"history_visibility": "shared"}
    assert await content(alice, room_id, "m.room.guest_access") == {"guest_access": guest_access}
    assert (await content(alice, room_id, "m.room.member", alice.user_id))["membership"] == "join"


@pytest.mark.parametrize(("visibility", "join_rule"), [("public", "public"), ("private", "invite"), (None, "invite")])
async def test_the_visibility_implies_the_preset(alice: Client, visibility: str | None, join_rule: str) -> None:
    room_id = await alice.create_room(**({} if visibility is None else {"visibility": visibility}))
    assert (await content(alice, room_id, "m.room.join_rules"))["join_rule"] == join_rule


async def test_every_room_has_its_own_id(alice: Client) -> None:
    assert await alice.create_room() != await alice.create_room()


async def test_name_topic_and_alias_become_state(alice: Client, bob: Client) -> None:
    room_id = await alice.create_room(name="Tea", topic="Biscuits", room_alias_name="tea", preset="public_chat")
    assert await content(alice, room_id, "m.room.name") == {"name": "Tea"}
    assert (await content(alice, room_id, "m.room.topic"))["topic"] == "Biscuits"
    alias = (await content(alice, room_id, "m.room.canonical_alias"))["alias"]
    assert alias.startswith("#tea:")
    assert (await bob.post(f"/join/{part(alias)}")).ok() == {"room_id": room_id}


async def test_an_alias_is_given_once(alice: Client, bob: Client) -> None:
    await alice.create_room(room_alias_name="taken")
    (await bob.post("/createRoom", {"room_alias_name": "taken"})).refused(400, "M_ROOM_IN_USE")


async def test_initial_state_overrides_the_preset_and_is_overridden_by_name_and_topic(alice: Client) -> None:
    state = [
        {"type": "m.room.join_rules", "content": {"join_rule": "public"}},
        {"type": "m.room.name", "content": {"name": "lost"}},
        {"type": "m.room.topic", "content": {"topic": "kept"}},
        {"type": "org.example.thing", "state_key": "x", "content": {"a": [1, {"b": None}]}},
    ]
    room_id = await alice.create_room(initial_state=state, name="won", preset="private_chat")
    assert await content(alice, room_id, "m.room.join_rules") == {"join_rule": "public"}
    assert await content(alice, room_id, "m.room.name") == {"name": "won"}
    assert await content(alice, room_id, "m.room.topic") == {"topic": "kept"}
    assert await content(alice, room_id, "org.example.thing", "x") == {"a": [1, {"b": None}]}


async def test_invitees_are_invited_directly(alice: Client, bob: Client) -> None:
    room_id = await alice.create_room(invite=[bob.user_id], is_direct=True, preset="trusted_private_chat")
    member = await content(alice, room_id, "m.room.member", bob.user_id)
    assert (member["membership"], member["is_direct"]) == ("invite", True)
    assert (await bob.act(room_id, "join")).ok() == {"room_id": room_id}


async def test_trusted_invitees_have_the_power_of_the_creator(alice: Client, bob: Client) -> None:
    old = await alice.create_room(invite=[bob.user_id], preset="trusted_private_chat", room_version="11")
    users = (await content(alice, old, "m.room.power_levels"))["users"]
    assert users == {alice.user_id: 100, bob.user_id: 100}
    new = await alice.create_room(invite=[bob.user_id], preset="trusted_private_chat", room_version="12")
    assert (await content(alice, new, "m.room.create"))["additional_creators"] == [bob.user_id]
    assert (await content(alice, new, "m.room.power_levels"))["users"] == {}


async def test_creation_content_is_kept_but_for_what_the_server_decides(alice: Client) -> None:
    given = {"m.federate": False, "type": "m.space", "room_version": "1", "creator": "@x:y"}
    room_id = await alice.create_room(creation_content=given, room_version="10")
    create = await content(alice, room_id, "m.room.create")
    assert create == {"m.federate": False, "type": "m.space", "room_version": "10", "creator": alice.user_id}


async def test_power_levels_can_be_overridden(alice: Client) -> None:
    room_id = await alice.create_room(power_level_content_override={"invite": 33, "events": {"m.room.name": 7}})
    levels = await content(alice, room_id, "m.room.power_levels")
    assert (levels["invite"], levels["events"]) == (33, {"m.room.name": 7})
    assert levels["ban"] == 50


async def test_levels_under_which_the_room_cannot_be_made_are_an_invalid_state(alice: Client) -> None:
    body = {"power_level_content_override": {"users": {alice.user_id: 10}}, "name": "x", "room_version": "11"}
    (await alice.post("/createRoom", body)).refused(400, "M_INVALID_ROOM_STATE")


async def test_a_room_that_failed_does_not_exist(alice: Client) -> None:
    body = {"power_level_content_override": {"users": {alice.user_id: 10}}, "name": "x", "room_version": "11"}
    await alice.post("/createRoom", {**body, "room_alias_name": "ghost"})
    assert (await alice.get("/joined_rooms")).ok() == {"joined_rooms": []}
    await alice.create_room(room_alias_name="ghost")


REFUSED: list[tuple[object, str]] = [
    ({"room_version": "nonsense"}, "M_UNSUPPORTED_ROOM_VERSION"),
    ({"room_version": 11}, "M_BAD_JSON"),
    ({"preset": "loud_chat"}, "M_BAD_JSON"),
    ({"visibility": "secret"}, "M_BAD_JSON"),
    ({"invite": "@x:y"}, "M_BAD_JSON"),
    ({"invite": ["x"]}, "M_INVALID_PARAM"),
    ({"name": 1}, "M_BAD_JSON"),
    ({"initial_state": [{"type": "m.room.name"}]}, "M_BAD_JSON"),
    ({"initial_state": [{"type": "m.room.name", "content": []}]}, "M_BAD_JSON"),
    ({"creation_content": []}, "M_BAD_JSON"),
    ({"power_level_content_override": 1}, "M_BAD_JSON"),
    ({"room_alias_name": "a:b"}, "M_INVALID_PARAM"),
    ([], "M_BAD_JSON"),
]


@pytest.mark.parametrize(("body", "errcode"), REFUSED)
async def test_what_is_malformed_is_refused(alice: Client, body: object, errcode: str) -> None:
    (await alice.post("/createRoom", body)).refused(400, errcode)


async def test_a_body_that_is_not_json_is_refused(alice: Client) -> None:
    answer = await alice.request("POST", "/_matrix/client/v3/createRoom", raw=b"{")
    answer.refused(400, "M_NOT_JSON")


async def test_strangers_create_nothing(stranger: Client) -> None:
    (await stranger.post("/createRoom", {})).refused(401, "M_MISSING_TOKEN")


async def test_events_come_in_the_order_of_the_spec(alice: Client, bob: Client) -> None:
    room_id = await alice.create_room(
        name="n", topic="t", room_alias_name="order", invite=[bob.user_id],
        initial_state=[{"type": "org.example.first", "content": {}}, {"type": "org.example.second", "content": {}}],
    )  # fmt: skip
    answer = (await alice.get(f"{in_room(room_id)}/messages", dir="f", limit="50")).ok()
    assert [event["type"] for event in answer["chunk"]] == [
        "m.room.create", "m.room.member", "m.room.power_levels", "m.room.canonical_alias", "m.room.join_rules",
        "m.room.history_visibility", "m.room.guest_access", "org.example.first", "org.example.second", "m.room.name",
        "m.room.topic", "m.room.member",
    ]  # fmt: skip


async def test_rooms_named_by_their_create_event_may_begin_at_once(alice: Client) -> None:
    """Two create events of one millisecond that say the same would be one event."""
    body = {"room_version": "12", "preset": "private_chat"}
    answers = await asyncio.gather(*(alice.post("/createRoom", body) for _ in range(20)))
    assert len({answer.ok()["room_id"] for answer in answers}) == 20
