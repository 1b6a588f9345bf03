"""What clients get of partially joined rooms beside the scenarios: account data, device lists, rooms that were left."""

from typing import Any

from tests.api.asgi import in_room, part
from tests.faster_joins.room import MEMBER, ScriptedRoom
from tests.faster_joins.stage import CHARLIE, DEREK, ELSIE, Stage, staged


def part_of(sync: Any, room: ScriptedRoom, section: str = "join") -> Any:
    return sync.get("rooms", {}).get(section, {}).get(room.room_id)


async def tag(s: Stage, room: ScriptedRoom, name: str) -> None:
    path = f"/user/{part(s.alice.user_id)}{in_room(room.room_id)}/tags/{name}"
    (await s.alice.put(path, {"order": 0.5})).ok()


@staged()
async def test_account_data_of_a_hidden_room_is_told_when_it_is_full(s: Stage) -> None:
    room = s.room()
    await s.join_partially(room)
    since = (await s.sync())["next_batch"]
    await tag(s, room, "u.early")
    during = await s.sync(since=since)
    assert part_of(during, room) is None
    assert part_of(await s.sync(lazy=True, since=since), room)["account_data"]["events"]
    s.release()
    await s.until_full(room)
    shown = part_of(await s.sync(since=during["next_batch"]), room)
    assert "u.early" in shown["account_data"]["events"][0]["content"]["tags"]


@staged()
async def test_a_room_is_not_told_anew_to_who_loads_members_lazily(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    await s.join_partially(room)
    since = (await s.sync(lazy=True))["next_batch"]
    s.release()
    await s.until_full(room)
    told = part_of(await s.sync(lazy=True, since=since), room)
    assert told["summary"]["m.joined_member_count"] == 4
    assert "timeline" not in told
    assert "state" not in told


@staged()
async def test_a_room_is_told_once_to_other_clients(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    await s.join_partially(room)
    since = (await s.sync())["next_batch"]
    s.release()
    await s.until_full(room)
    shown = await s.sync(since=since)
    assert part_of(shown, room)["timeline"]["limited"]
    assert part_of(await s.sync(since=shown["next_batch"]), room) is None
    said = await s.alice.say(room.room_id, "hello")
    news = part_of(await s.sync(since=shown["next_batch"]), room)
    assert [event["event_id"] for event in news["timeline"]["events"]] == [said]
    assert not news["timeline"]["limited"]


@staged()
async def test_the_room_is_told_in_full_after_a_restart(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    await s.join_partially(room)
    since = (await s.sync())["next_batch"]
    s.release()
    await s.until_full(room)
    await s.restart()
    shown = part_of(await s.sync(since=since), room)
    assert {event["state_key"] for event in shown["state"]["events"] if event["type"] == MEMBER} >= {DEREK, ELSIE}


@staged()
async def test_devices_of_members_are_news_when_the_room_is_full(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    await s.join_partially(room)
    since = {lazy: (await s.sync(lazy=lazy))["next_batch"] for lazy in (True, False)}
    s.release()
    await s.until_full(room)
    for lazy, token in since.items():
        told = await s.sync(lazy=lazy, since=token)
        assert set(told["device_lists"]["changed"]) >= {CHARLIE, DEREK, ELSIE}
        assert (await s.sync(lazy=lazy, since=told["next_batch"]))["device_lists"]["changed"] == []


@staged()
async def test_a_room_that_was_left_is_shown_to_clients_that_never_saw_it(s: Stage) -> None:
    room = s.room()
    await s.join_partially(room)
    tokens = {lazy: (await s.sync(lazy=lazy))["next_batch"] for lazy in (True, False)}
    await s.tell(room.say("before"), room.member(s.alice.user_id, "ban", by=CHARLIE))
    for lazy, token in tokens.items():
        left = part_of(await s.sync(lazy=lazy, since=token), room, "leave")
        assert left["timeline"]["events"][-1]["content"]["membership"] == "ban"
        assert left["timeline"]["events"][-2]["content"]["body"] == "before"
    names = {event["type"] for event in part_of(await s.sync(since=tokens[False]), room, "leave")["state"]["events"]}
    assert "m.room.create" in names
