"""Paging through a room's timeline, and what of it whom is shown."""

from typing import Any

import orjson
import pytest

from tests.api.asgi import Client, in_room

Json = dict[str, Any]


@pytest.fixture
async def room_id(alice: Client, bob: Client) -> str:
    """A public room with Alice (its creator) and Bob."""
    room_id = await alice.create_room(preset="public_chat", name="Tea")
    (await bob.act(room_id, "join")).ok()
    return room_id


async def page(client: Client, room_id: str, **query: str) -> Json:
    """One page; backwards unless said otherwise."""
    found: Json = (await client.get(f"{in_room(room_id)}/messages", **{"dir": "b", **query})).ok()
    return found


async def every_page(client: Client, room_id: str, **query: str) -> list[Json]:
    """All events, a page after the other."""
    events: list[Json] = []
    for _ in range(50):
        found = await page(client, room_id, **query)
        events += found["chunk"]
        if "end" not in found:
            return events
        query["from"] = found["end"]
    raise AssertionError("the pages do not end")


def bodies(events: list[Json]) -> list[str]:
    """What was said."""
    return [event["content"]["body"] for event in events if event["type"] == "m.room.message" and event["content"]]


async def say_all(client: Client, room_id: str, *texts: str) -> list[str]:
    return [await client.say(room_id, text) for text in texts]


async def test_pages_go_backwards_from_the_newest_event(alice: Client, room_id: str) -> None:
    await say_all(alice, room_id, "1", "2", "3", "4", "5")
    first = await page(alice, room_id, limit="2")
    assert bodies(first["chunk"]) == ["5", "4"]
    second = await page(alice, room_id, limit="2", **{"from": first["end"]})
    assert bodies(second["chunk"]) == ["3", "2"]
    assert second["start"] == first["end"]
    assert all(event["room_id"] == room_id for event in first["chunk"])


async def test_every_event_is_on_one_page_in_both_directions(alice: Client, room_id: str) -> None:
    await say_all(alice, room_id, *(str(n) for n in range(7)))
    backwards = await every_page(alice, room_id, limit="3")
    forwards = await every_page(alice, room_id, dir="f", limit="4")
    assert [event["event_id"] for event in backwards] == [event["event_id"] for event in reversed(forwards)]
    assert forwards[0]["type"] == "m.room.create"
    assert bodies(forwards) == [str(n) for n in range(7)]


async def test_forwards_goes_on_where_backwards_began(alice: Client, room_id: str) -> None:
    await say_all(alice, room_id, "old")
    start = (await page(alice, room_id, limit="1"))["start"]
    await say_all(alice, room_id, "new", "newer")
    found = await page(alice, room_id, dir="f", **{"from": start})
    assert bodies(found["chunk"]) == ["new", "newer"]
    assert "end" not in found


async def test_pages_stop_at_the_other_token(alice: Client, room_id: str) -> None:
    await say_all(alice, room_id, "1", "2", "3", "4")
    middle = (await page(alice, room_id, limit="2"))["end"]
    found = await page(alice, room_id, to=middle)
    assert bodies(found["chunk"]) == ["4", "3"]
    assert "end" not in found
    start = (await page(alice, room_id, dir="f", limit="1"))["end"]
    until = await page(alice, room_id, dir="f", to=middle, limit="100", **{"from": start})
    assert bodies(until["chunk"]) == ["1", "2"]


async def test_by_default_ten_events(alice: Client, room_id: str) -> None:
    await say_all(alice, room_id, *(str(n) for n in range(12)))
    assert len((await page(alice, room_id))["chunk"]) == 10
    assert (await page(alice, room_id, limit="0"))["chunk"] == []


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"dir": "x"},
        {"dir": "b", "limit": "-1"},
        {"dir": "b", "limit": "many"},
        {"dir": "b", "from": "nonsense"},
        {"dir": "b", "to": "t1.5"},
        {"dir": "b", "from": "t" + "9" * 30},
    ],
)
async def test_malformed_queries_are_refused(alice: Client, room_id: str, query: dict[str, str]) -> None:
    answer = await alice.get(f"{in_room(room_id)}/messages", **query)
    assert answer.status == 400
    assert answer.errcode in ("M_INVALID_PARAM", "M_MISSING_PARAM")


@pytest.mark.parametrize("value", ["{", "[]", '{"types": "x"}', '{"limit": "1"}', '{"lazy_load_members": 1}'])
async def test_malformed_filters_are_refused(alice: Client, room_id: str, value: str) -> None:
    answer = await alice.get(f"{in_room(room_id)}/messages", dir="b", filter=value)
    answer.refused(400, "M_BAD_JSON")


async def test_filters_choose_types_and_senders(alice: Client, bob: Client, room_id: str) -> None:
    await say_all(alice, room_id, "a1", "a2")
    await say_all(bob, room_id, "b1")
    (await alice.send(room_id, "org.example.x", {})).ok()

    async def chosen(**choice: object) -> list[Json]:
        return await every_page(alice, room_id, limit="2", filter=orjson.dumps(choice).decode())

    assert bodies(await chosen(types=["m.room.message"])) == ["b1", "a2", "a1"]
    assert bodies(await chosen(types=["m.room.mess*"], senders=[bob.user_id])) == ["b1"]
    assert [event["type"] for event in await chosen(types=["org.*"])] == ["org.example.x"]
    assert await chosen(rooms=["!other:localhost"]) == []
    assert await chosen(not_rooms=[room_id]) == []
    assert "m.room.message" not in {event["type"] for event in await chosen(not_types=["m.room.message"])}


async def test_senders_members_are_loaded_lazily(alice: Client, bob: Client, room_id: str) -> None:
    await say_all(bob, room_id, "b1")
    await say_all(alice, room_id, "a1", "a2")
    lazily = '{"lazy_load_members": true}'
    found = await page(alice, room_id, limit="2", filter=lazily)
    assert [event["state_key"] for event in found["state"]] == [alice.user_id]
    found = await page(alice, room_id, limit="3", filter=lazily)
    assert sorted(event["state_key"] for event in found["state"]) == sorted([alice.user_id, bob.user_id])
    assert all(event["type"] == "m.room.member" and event["room_id"] == room_id for event in found["state"])
    assert "state" not in await page(alice, room_id, limit="3")


async def test_a_member_who_came_on_the_page_is_among_its_members(alice: Client, bob: Client) -> None:
    room_id = await alice.create_room(preset="public_chat")
    await say_all(alice, room_id, "a1")
    (await bob.act(room_id, "join")).ok()
    await say_all(bob, room_id, "b1")
    choice = '{"lazy_load_members": true, "types": ["m.room.message"]}'
    found = await page(alice, room_id, filter=choice)
    assert sorted(event["state_key"] for event in found["state"]) == sorted([alice.user_id, bob.user_id])


async def test_events_say_their_age_and_the_asker_s_membership(alice: Client, bob: Client, room_id: str) -> None:
    await say_all(alice, room_id, "hello")
    (event,) = (await page(bob, room_id, limit="1"))["chunk"]
    assert event["unsigned"]["age"] >= 0
    assert event["unsigned"]["membership"] == "join"
    events = await every_page(bob, room_id)
    assert events[-1]["type"] == "m.room.create"
    assert events[-1]["unsigned"]["membership"] == "leave"


async def test_only_the_device_that_sent_an_event_sees_its_transaction(
    alice: Client, bob: Client, room_id: str
) -> None:
    (await alice.send(room_id, "m.room.message", {"msgtype": "m.text", "body": "x"}, txn_id="mine")).ok()
    (own,) = (await page(alice, room_id, limit="1"))["chunk"]
    assert own["unsigned"]["transaction_id"] == "mine"
    (other,) = (await page(bob, room_id, limit="1"))["chunk"]
    assert "transaction_id" not in other["unsigned"]


async def test_state_events_say_what_they_replaced(alice: Client, room_id: str) -> None:
    first = (await alice.set_state(room_id, "m.room.topic", {"topic": "old"})).ok()["event_id"]
    (await alice.set_state(room_id, "m.room.topic", {"topic": "new"})).ok()
    (event,) = (await page(alice, room_id, limit="1"))["chunk"]
    assert event["unsigned"]["prev_content"] == {"topic": "old"}
    assert event["unsigned"]["replaces_state"] == first


async def test_redacted_events_are_shown_redacted(alice: Client, bob: Client, room_id: str) -> None:
    (event_id,) = await say_all(bob, room_id, "secret")
    await page(alice, room_id)
    redaction = (await alice.redact(room_id, event_id, reason="spam")).ok()["event_id"]
    events = {event["event_id"]: event for event in (await page(bob, room_id))["chunk"]}
    assert events[event_id]["content"] == {}
    because = events[event_id]["unsigned"]["redacted_because"]
    assert because["event_id"] == redaction
    assert because["content"]["reason"] == "spam"
    assert events[redaction]["content"]["redacts"] == events[redaction]["redacts"] == event_id


class TestWhoSeesWhat:
    """History visibility."""

    async def test_strangers_see_nothing(self, bob: Client, alice: Client) -> None:
        room_id = await alice.create_room(preset="private_chat")
        (await bob.get(f"{in_room(room_id)}/messages", dir="b")).refused(403, "M_FORBIDDEN")
        (await bob.get(f"{in_room('!none:localhost')}/messages", dir="b")).refused(403, "M_FORBIDDEN")
        (await alice.act(room_id, "invite", user_id=bob.user_id)).ok()
        (await bob.get(f"{in_room(room_id)}/messages", dir="b")).refused(403, "M_FORBIDDEN")

    async def test_shared_history_is_open_to_who_joins_later(self, alice: Client, bob: Client) -> None:
        room_id = await alice.create_room(preset="public_chat")
        await say_all(alice, room_id, "before")
        (await bob.act(room_id, "join")).ok()
        assert bodies(await every_page(bob, room_id)) == ["before"]

    async def test_who_has_left_sees_what_they_saw_before(self, alice: Client, bob: Client, room_id: str) -> None:
        await say_all(alice, room_id, "before")
        (await bob.act(room_id, "leave")).ok()
        await say_all(alice, room_id, "after")
        (await alice.act(room_id, "ban", user_id=bob.user_id)).ok()
        events = await every_page(bob, room_id, limit="2")
        assert bodies(events) == ["before"]
        assert events[0]["content"]["membership"] == "leave"
        assert bodies(await every_page(bob, room_id, dir="f")) == ["before"]

    @pytest.mark.parametrize(("visibility", "seen"), [("joined", ["joined"]), ("invited", ["joined", "invited"])])
    async def test_closed_history(self, alice: Client, bob: Client, visibility: str, seen: list[str]) -> None:
        room_id = await alice.create_room(preset="private_chat")
        await say_all(alice, room_id, "shared")
        (await alice.set_state(room_id, "m.room.history_visibility", {"history_visibility": visibility})).ok()
        await say_all(alice, room_id, "closed")
        (await alice.act(room_id, "invite", user_id=bob.user_id)).ok()
        await say_all(alice, room_id, "invited")
        (await bob.act(room_id, "join")).ok()
        await say_all(alice, room_id, "joined")
        assert bodies(await every_page(bob, room_id, limit="2")) == [*seen, "shared"]
        assert bodies(await every_page(alice, room_id)) == ["joined", "invited", "closed", "shared"]

    async def test_closed_history_stays_closed_when_it_is_opened(self, alice: Client, bob: Client) -> None:
        closed = [{"type": "m.room.history_visibility", "content": {"history_visibility": "joined"}}]
        room_id = await alice.create_room(preset="public_chat", initial_state=closed)
        await say_all(alice, room_id, "closed")
        (await alice.set_state(room_id, "m.room.history_visibility", {"history_visibility": "shared"})).ok()
        await say_all(alice, room_id, "open")
        (await bob.act(room_id, "join")).ok()
        assert bodies(await every_page(bob, room_id)) == ["open"]

    async def test_each_stay_in_a_room_with_closed_history(self, alice: Client, bob: Client) -> None:
        closed = [{"type": "m.room.history_visibility", "content": {"history_visibility": "joined"}}]
        room_id = await alice.create_room(preset="public_chat", initial_state=closed)
        for stay in ("first", "second"):
            (await bob.act(room_id, "join")).ok()
            await say_all(alice, room_id, stay)
            (await bob.act(room_id, "leave")).ok()
            await say_all(alice, room_id, f"after {stay}")
        assert bodies(await every_page(bob, room_id)) == ["second", "first"]

    async def test_world_readable_history_is_open_to_all(self, alice: Client, bob: Client) -> None:
        room_id = await alice.create_room(preset="public_chat")
        await say_all(alice, room_id, "shared")
        content = {"history_visibility": "world_readable"}
        (await alice.set_state(room_id, "m.room.history_visibility", content)).ok()
        await say_all(alice, room_id, "open")
        assert bodies(await every_page(bob, room_id)) == ["open"]
