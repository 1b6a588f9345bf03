"""`GET /sync`: what a device is told, and when. Spec: client-server API, "Syncing"."""

import asyncio
import json
from typing import Any

import pytest

from tests.api.asgi import Client
from tests.api.homeserver import Homeserver


class Device:
    """A client that follows its account: every answer moves it on."""

    def __init__(self, client: Client, **query: str) -> None:
        self.client = client
        self.query = query
        self.since: str | None = None

    async def sync(self, **query: str) -> Any:
        since = {} if self.since is None else {"since": self.since}
        answer = (await self.client.get("/sync", **{**self.query, **since, **query})).ok()
        self.since = answer["next_batch"]
        return answer

    async def joined(self, room_id: str, **query: str) -> Any:
        """The section of one joined room; it must be there."""
        return (await self.sync(**query))["rooms"]["join"][room_id]


def bodies(section: Any) -> list[str]:
    """Texts of the messages in a room's timeline."""
    return [
        event["content"].get("body") for event in section["timeline"]["events"] if event["type"] == "m.room.message"
    ]


def state_of(section: Any, key: str = "state") -> dict[tuple[str, str], Any]:
    return {(event["type"], event["state_key"]): event["content"] for event in section[key]["events"]}


def filtered(**definition: Any) -> dict[str, str]:
    return {"filter": json.dumps(definition)}


async def test_a_first_sync_shows_the_room(alice: Client, bob: Client) -> None:
    room_id = await alice.create_room(preset="public_chat", name="Tea")
    (await bob.act(room_id, "join")).ok()
    await alice.say(room_id, "hello")
    section = await Device(bob).joined(room_id)
    assert bodies(section) == ["hello"]
    assert section["timeline"]["limited"] is False
    assert section["summary"]["m.joined_member_count"] == 2
    assert section["unread_notifications"]["notification_count"] == 1
    everything = state_of(section) | {
        (event["type"], event["state_key"]): event["content"]
        for event in section["timeline"]["events"]
        if "state_key" in event
    }
    assert everything["m.room.name", ""] == {"name": "Tea"}
    assert everything["m.room.member", bob.user_id]["membership"] == "join"
    assert all("room_id" not in event for event in section["timeline"]["events"])


async def test_state_is_what_was_true_before_the_timeline(alice: Client) -> None:
    room_id = await alice.create_room(name="Before")
    for number in range(12):
        await alice.say(room_id, str(number))
    (await alice.set_state(room_id, "m.room.name", {"name": "After"})).ok()
    query = filtered(room={"timeline": {"limit": 3}})
    section = await Device(alice, **query).joined(room_id)
    assert section["timeline"]["limited"] is True
    assert len(section["timeline"]["events"]) == 3
    assert state_of(section)["m.room.name", ""] == {"name": "Before"}
    after = await Device(alice, **query).joined(room_id, use_state_after="true")
    assert state_of(after, "state_after")["m.room.name", ""] == {"name": "After"}
    assert "state" not in after


async def test_a_gap_tells_the_state_that_changed_in_it(alice: Client) -> None:
    room_id = await alice.create_room(name="One")
    device = Device(alice, **filtered(room={"timeline": {"limit": 2}}))
    await device.sync()
    (await alice.set_state(room_id, "m.room.name", {"name": "Two"})).ok()
    for number in range(5):
        await alice.say(room_id, str(number))
    section = await device.joined(room_id)
    assert bodies(section) == ["3", "4"]
    assert section["timeline"]["limited"] is True
    assert state_of(section) == {("m.room.name", ""): {"name": "Two"}}
    page = (await alice.get(f"/rooms/{room_id}/messages", dir="b", **{"from": section["timeline"]["prev_batch"]})).ok()
    assert page["chunk"][0]["content"]["body"] == "2"


async def test_nothing_new_is_an_empty_answer(alice: Client) -> None:
    room_id = await alice.create_room()
    device = Device(alice)
    await device.sync()
    answer = await device.sync()
    assert "rooms" not in answer
    await alice.say(room_id, "x")
    assert bodies(await device.joined(room_id)) == ["x"]


async def test_a_long_poll_is_woken_by_a_message(alice: Client, bob: Client) -> None:
    room_id = await alice.create_room(preset="public_chat")
    (await bob.act(room_id, "join")).ok()
    device = Device(bob)
    await device.sync()
    waiting = asyncio.create_task(device.joined(room_id, timeout="20000"))
    await asyncio.sleep(0.02)
    assert not waiting.done()
    await alice.say(room_id, "wake up")
    assert bodies(await asyncio.wait_for(waiting, 5)) == ["wake up"]


async def test_a_long_poll_ends_when_its_time_is_up(alice: Client) -> None:
    device = Device(alice)
    await device.sync()
    assert "rooms" not in await device.sync(timeout="30")


async def test_an_invitation_and_its_end(alice: Client, bob: Client) -> None:
    device = Device(bob)
    await device.sync()
    room_id = await alice.create_room(name="Secret", invite=[bob.user_id])
    invited = (await device.sync())["rooms"]["invite"][room_id]["invite_state"]["events"]
    stripped = {(event["type"], event["state_key"]): event for event in invited}
    assert stripped["m.room.name", ""]["content"] == {"name": "Secret"}
    assert ("m.room.create", "") in stripped
    assert stripped["m.room.member", bob.user_id]["content"]["membership"] == "invite"
    assert all(event.keys() <= {"type", "state_key", "sender", "content"} for event in invited)
    assert "rooms" not in await device.sync()
    (await bob.act(room_id, "leave")).ok()
    left = (await device.sync())["rooms"]["leave"][room_id]
    assert [event["content"]["membership"] for event in left["timeline"]["events"]] == ["leave"]
    assert left["state"]["events"] == []


async def test_a_knock_is_shown_to_who_knocks(alice: Client, bob: Client) -> None:
    room_id = await alice.create_room(
        initial_state=[{"type": "m.room.join_rules", "content": {"join_rule": "knock"}}], name="Door"
    )
    device = Device(bob)
    await device.sync()
    (await bob.post(f"/knock/{room_id}", {})).ok()
    events = (await device.sync())["rooms"]["knock"][room_id]["knock_state"]["events"]
    assert {"name": "Door"} in [event["content"] for event in events]


async def test_who_joins_later_is_given_the_whole_state(alice: Client, bob: Client) -> None:
    room_id = await alice.create_room(preset="public_chat", name="Late")
    for number in range(15):
        await alice.say(room_id, str(number))
    device = Device(bob)
    await device.sync()
    (await bob.act(room_id, "join")).ok()
    section = await device.joined(room_id)
    assert state_of(section)["m.room.name", ""] == {"name": "Late"}
    assert bodies(section) == [str(number) for number in range(6, 15)]
    assert section["timeline"]["limited"] is True


async def test_who_leaves_sees_nothing_that_comes_after(alice: Client, bob: Client) -> None:
    room_id = await alice.create_room(preset="public_chat")
    (await bob.act(room_id, "join")).ok()
    device = Device(bob)
    await device.sync()
    await alice.say(room_id, "for bob")
    (await bob.act(room_id, "leave")).ok()
    await alice.say(room_id, "not for bob")
    answer = await device.sync()
    assert room_id not in answer["rooms"].get("join", {})
    assert bodies(answer["rooms"]["leave"][room_id]) == ["for bob"]
    assert "rooms" not in await device.sync()
    first = await Device(bob, **filtered(room={"include_leave": True})).sync()
    assert bodies(first["rooms"]["leave"][room_id]) == ["for bob"]
    assert "rooms" not in await Device(bob).sync()


async def test_coming_back_after_a_gap(alice: Client, bob: Client) -> None:
    room_id = await alice.create_room(preset="public_chat", name="Old")
    (await bob.act(room_id, "join")).ok()
    device = Device(bob)
    await device.sync()
    (await bob.act(room_id, "leave")).ok()
    (await alice.set_state(room_id, "m.room.name", {"name": "New"})).ok()
    (await bob.act(room_id, "join")).ok()
    section = await device.joined(room_id)
    names = [event["content"] for event in section["timeline"]["events"] if event["type"] == "m.room.name"]
    assert (names or [state_of(section)["m.room.name", ""]])[-1] == {"name": "New"}


@pytest.mark.parametrize("visibility", ["joined", "invited"])
async def test_history_that_is_not_for_newcomers(alice: Client, bob: Client, visibility: str) -> None:
    room_id = await alice.create_room(
        preset="public_chat",
        initial_state=[{"type": "m.room.history_visibility", "content": {"history_visibility": visibility}}],
    )
    await alice.say(room_id, "before")
    (await alice.set_state(room_id, "m.room.name", {"name": "Set unseen"})).ok()
    (await bob.act(room_id, "join")).ok()
    await alice.say(room_id, "after")
    section = await Device(bob).joined(room_id)
    assert bodies(section) == ["after"]
    assert state_of(section)["m.room.name", ""] == {"name": "Set unseen"}
    assert section["timeline"]["limited"] is True


async def test_lazy_loading_shows_who_speaks(alice: Client, bob: Client, carol: Client) -> None:
    room_id = await alice.create_room(preset="public_chat", name="Lazy")
    for client in (bob, carol):
        (await client.act(room_id, "join")).ok()
    for _ in range(3):
        await bob.say(room_id, "hi")
    query = filtered(room={"state": {"lazy_load_members": True}, "timeline": {"limit": 2}})
    device = Device(alice, **query)
    section = await device.joined(room_id)
    members = {key[1] for key in state_of(section) if key[0] == "m.room.member"}
    assert members == {alice.user_id, bob.user_id}
    await carol.say(room_id, "now me")
    section = await device.joined(room_id)
    assert ("m.room.member", carol.user_id) in state_of(section)


async def test_a_room_without_a_name_has_heroes(alice: Client, bob: Client) -> None:
    room_id = await alice.create_room(preset="public_chat")
    (await bob.act(room_id, "join")).ok()
    assert (await Device(alice).joined(room_id))["summary"]["m.heroes"] == [bob.user_id]
    assert (await Device(bob).joined(room_id))["summary"]["m.heroes"] == [alice.user_id]
    (await alice.set_state(room_id, "m.room.name", {"name": "Named"})).ok()
    assert "m.heroes" not in (await Device(alice).joined(room_id))["summary"]


async def test_filters_choose_types_and_rooms(alice: Client) -> None:
    wanted, other = await alice.create_room(), await alice.create_room()
    device = Device(alice, **filtered(room={"rooms": [wanted], "timeline": {"types": ["m.room.message"]}}))
    first = await device.sync()
    assert list(first["rooms"]["join"]) == [wanted]
    (await alice.send(wanted, "org.example.other", {})).ok()
    await alice.say(wanted, "text")
    await alice.say(other, "elsewhere")
    answer = await device.sync()
    assert list(answer["rooms"]["join"]) == [wanted]
    assert bodies(answer["rooms"]["join"][wanted]) == ["text"]
    assert len(answer["rooms"]["join"][wanted]["timeline"]["events"]) == 1


async def test_a_stored_filter(alice: Client) -> None:
    room_id = await alice.create_room()
    stored = (await alice.post(f"/user/{alice.user_id}/filter", {"room": {"timeline": {"limit": 1}}})).ok()
    section = await Device(alice, filter=stored["filter_id"]).joined(room_id)
    assert len(section["timeline"]["events"]) == 1
    (await alice.get("/sync", filter="999")).refused(404, "M_NOT_FOUND")


async def test_own_events_carry_their_transaction_id(alice: Client, bob: Client) -> None:
    room_id = await alice.create_room(preset="public_chat")
    (await bob.act(room_id, "join")).ok()
    hers, his = Device(alice), Device(bob)
    await hers.sync()
    await his.sync()
    (await alice.send(room_id, "m.room.message", {"msgtype": "m.text", "body": "x"}, txn_id="mine")).ok()
    assert (await hers.joined(room_id))["timeline"]["events"][0]["unsigned"]["transaction_id"] == "mine"
    assert "transaction_id" not in (await his.joined(room_id))["timeline"]["events"][0]["unsigned"]


async def test_a_redaction_reaches_who_follows(alice: Client) -> None:
    room_id = await alice.create_room()
    device = Device(alice)
    event_id = await alice.say(room_id, "oops")
    await device.sync()
    (await alice.redact(room_id, event_id)).ok()
    (event,) = (await device.joined(room_id))["timeline"]["events"]
    assert event["type"] == "m.room.redaction"
    fresh = await Device(alice).joined(room_id)
    redacted = next(entry for entry in fresh["timeline"]["events"] if entry["event_id"] == event_id)
    assert redacted["content"] == {}
    assert redacted["unsigned"]["redacted_because"]["event_id"] == event["event_id"]


async def test_counts_go_up_and_speaking_reads(alice: Client, bob: Client) -> None:
    room_id = await alice.create_room(preset="public_chat")
    (await bob.act(room_id, "join")).ok()
    device = Device(bob)
    await device.sync()
    await alice.say(room_id, "one")
    await alice.say(room_id, "two")
    mention = {"msgtype": "m.text", "body": "bob", "m.mentions": {"user_ids": [bob.user_id]}}
    (await alice.send(room_id, "m.room.message", mention)).ok()
    section = await device.joined(room_id)
    assert section["unread_notifications"] == {"highlight_count": 1, "notification_count": 3}
    await bob.say(room_id, "I have read it")
    section = await device.joined(room_id)
    assert section["unread_notifications"] == {"highlight_count": 0, "notification_count": 0}


async def test_what_is_kept_about_a_room_is_told_when_one_is_in_it(homeserver_on_each: Homeserver) -> None:
    alice, bob = await homeserver_on_each.register("alice"), await homeserver_on_each.register("bob")
    start = (await alice.get("/sync", timeout="0")).ok()["next_batch"]
    room_id = await bob.create_room(invite=[alice.user_id])
    for room in (room_id, "!unheard:ranvier.test"):
        (await alice.put(f"/user/{alice.user_id}/rooms/{room}/tags/u.dear", {})).ok()
    invited = (await alice.get("/sync", timeout="0", since=start)).ok()
    # Whoever is told something of a joined room takes it for one that they are in.
    assert set(invited["rooms"]) == {"invite"}
    (await alice.act(room_id, "join")).ok()
    joined = (await alice.get("/sync", timeout="0", since=invited["next_batch"])).ok()
    told = {"events": [{"type": "m.tag", "content": {"tags": {"u.dear": {}}}}]}
    assert joined["rooms"]["join"][room_id]["account_data"] == told
    assert set(joined["rooms"]["join"]) == {room_id}
    (await bob.say(room_id, "hello"))
    later = (await alice.get("/sync", timeout="0", since=joined["next_batch"])).ok()
    assert later["rooms"]["join"][room_id]["account_data"] == {"events": []}
    (await alice.act(room_id, "leave")).ok()
    (await alice.put(f"/user/{alice.user_id}/rooms/{room_id}/tags/u.missed", {})).ok()
    left = (await alice.get("/sync", timeout="0", since=later["next_batch"])).ok()
    assert set(left["rooms"]) == {"leave"}


async def test_account_data_is_a_stream(alice: Client) -> None:
    room_id = await alice.create_room()
    device = Device(alice)
    await device.sync()
    waiting = asyncio.create_task(device.sync(timeout="20000"))
    await asyncio.sleep(0.02)
    (await alice.put(f"/user/{alice.user_id}/account_data/org.example.x", {"a": 1})).ok()
    answer = await asyncio.wait_for(waiting, 5)
    assert {"type": "org.example.x", "content": {"a": 1}} in answer["account_data"]["events"]
    (await alice.put(f"/user/{alice.user_id}/rooms/{room_id}/account_data/org.example.y", {"b": 2})).ok()
    section = await device.joined(room_id)
    assert section["account_data"]["events"] == [{"type": "org.example.y", "content": {"b": 2}}]
    first = await Device(alice).sync()
    assert {"type": "org.example.x", "content": {"a": 1}} in first["account_data"]["events"]


async def test_full_state_repeats_everything(alice: Client) -> None:
    room_id = await alice.create_room(name="Whole")
    device = Device(alice)
    await device.sync()
    await alice.say(room_id, "new")
    section = await device.joined(room_id, full_state="true")
    assert bodies(section) == ["new"]
    assert len(section["timeline"]["events"]) == 1
    assert state_of(section)["m.room.name", ""] == {"name": "Whole"}
    assert state_of(await device.joined(room_id, full_state="true"))["m.room.name", ""] == {"name": "Whole"}


async def test_forgotten_rooms_are_gone(alice: Client, bob: Client) -> None:
    room_id = await alice.create_room(preset="public_chat")
    (await bob.act(room_id, "join")).ok()
    await Device(bob).sync()
    (await bob.act(room_id, "leave")).ok()
    (await bob.act(room_id, "forget")).ok()
    assert "rooms" not in await Device(bob, **filtered(room={"include_leave": True})).sync()


@pytest.mark.parametrize("since", ["x", "s", "s1", "s1_", "s-1_0", "t5", "s1_99999999999999999999999"])
async def test_a_strange_token_is_refused(alice: Client, since: str) -> None:
    (await alice.get("/sync", since=since)).refused(400, "M_INVALID_PARAM")


async def test_a_strange_filter_is_refused(alice: Client) -> None:
    answer = await alice.get("/sync", filter='{"room": {"timeline": {"limit": "many"}}}')
    assert answer.status == 400


async def test_a_restart_changes_nothing_for_a_device(homeserver_on_each: Homeserver) -> None:
    alice = await homeserver_on_each.register("alice")
    room_id = await alice.create_room(name="Stay")
    device = Device(alice)
    await device.sync()
    await alice.say(room_id, "one")
    # Another server object on the same database has nothing in memory.
    assert bodies(await device.joined(room_id)) == ["one"]
    fresh = Device(alice)
    assert "one" in bodies(await fresh.joined(room_id))


async def test_a_redaction_reaches_every_copy_in_memory(homeserver: Homeserver, alice: Client) -> None:
    """The room, the recent events and the cache may hold different objects of one event."""
    room_id = await alice.create_room(name="Secret")
    event_id = (await alice.set_state(room_id, "m.room.topic", {"topic": "secret"})).ok()["event_id"]
    cache = homeserver.server.rooms.cache
    cache.clear()
    await alice.get(f"/rooms/{room_id}/event/{event_id}")
    (await alice.redact(room_id, event_id)).ok()
    assert (await alice.state(room_id, "m.room.topic")).ok() == {}
    section = await Device(alice).joined(room_id)
    topic = next(event for event in section["timeline"]["events"] if event["event_id"] == event_id)
    assert topic["content"] == {}
    assert (await alice.get(f"/rooms/{room_id}/event/{event_id}")).ok()["content"] == {}
