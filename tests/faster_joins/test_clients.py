"""What clients get of partially joined rooms beside the scenarios: account data, device lists, rooms that were left."""

import asyncio
from typing import Any
from unittest.mock import patch

from tests.api.asgi import in_room, part
from tests.faster_joins.room import MEMBER, ScriptedRoom
from tests.faster_joins.stage import CHARLIE, DEREK, ELSIE, RESIDENT, Stage, staged


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


@staged()
async def test_context_and_messages_tell_who_speaks(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    await s.join_partially(room)
    message = room.say("hello", sender=DEREK)
    await s.tell(message)
    lazy = '{"lazy_load_members":true}'
    around = (await s.get(room, f"context/{part(message.event_id)}", filter=lazy)).ok()
    page = (await s.get(room, "messages", dir="b", filter=lazy)).ok()
    for answer in (around, page):
        told = [*answer.get("state", ()), *answer.get("chunk", ()), *answer.get("events_before", ())]
        assert DEREK in {event.get("state_key") for event in told if event["type"] == MEMBER}


@staged()
async def test_context_with_all_members_waits(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    join = await s.join_partially(room)
    asking = asyncio.create_task(s.get(room, f"context/{part(join.event_id)}"))
    await s.pause(2)
    assert not asking.done()
    s.release()
    found = {event["state_key"] for event in (await asking).ok()["state"] if event["type"] == MEMBER}
    assert found == {CHARLIE, DEREK, ELSIE, s.alice.user_id}


@staged()
async def test_an_upgrade_waits_and_takes_the_bans_along(s: Stage) -> None:
    alice = s.alice.user_id
    room = s.room(version="10", members=[DEREK, ELSIE], levels={alice: 100})
    room.member(ELSIE, "ban", by=CHARLIE)
    await s.join_partially(room)
    path = f"{in_room(room.room_id)}/upgrade"
    asking = asyncio.create_task(s.alice.post(path, {"new_version": "11"}))
    await s.pause(2)
    assert not asking.done()
    s.release()
    new_id = (await asking).ok()["replacement_room"]
    banned = (await s.alice.get(f"{in_room(new_id)}/members", membership="ban")).ok()["chunk"]
    assert [event["state_key"] for event in banned] == [ELSIE]


@staged()
async def test_nobody_waits_for_what_they_may_not_see(s: Stage) -> None:
    room = s.room()
    await s.join_partially(room)
    ben = await s.user("ben")
    for what in ("members", "joined_members", "state", f"state/m.room.member/{part(DEREK)}"):
        (await asyncio.wait_for(s.get(room, what, ben), 1)).refused(403, "M_FORBIDDEN")


@staged()
async def test_a_large_room_does_not_notify_like_a_chat_of_two(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE, "@fay:new.test"])
    await s.join_partially(room)
    rule = f"/pushrules/global/underride/{part('.m.rule.message')}/enabled"
    (await s.alice.put(rule, {"enabled": False})).ok()
    await s.tell(room.member("@gus:new.test", "join"), room.say("hello", sender="@gus:new.test"))
    counts = part_of(await s.sync(lazy=True), room)["unread_notifications"]
    assert counts["notification_count"] == 0


@staged()
async def test_initial_sync_of_old_clients_does_not_wait(s: Stage) -> None:
    room = s.room()
    await s.join_partially(room)
    found = (await asyncio.wait_for(s.alice.get("/initialSync"), 1)).ok()["rooms"]
    assert found == []
    s.release()
    await s.until_full(room)
    assert [one["room_id"] for one in (await s.alice.get("/initialSync")).ok()["rooms"]] == [room.room_id]


@staged()
async def test_a_room_that_only_one_of_two_has_left_is_shown_to_clients_that_never_saw_it(s: Stage) -> None:
    room = s.room(members=[DEREK])
    ben = await s.user("ben")
    await s.join_partially(room)
    await s.join(room, ben)
    since = (await s.sync())["next_batch"]
    await s.tell(room.member(s.alice.user_id, "leave", by=CHARLIE))
    for _ in range(2):
        left = part_of(await s.sync(since=since), room, "leave")
        assert "m.room.create" in {event["type"] for event in left["state"]["events"]}
        s.release()
        await s.until_full(room)


@staged()
async def test_devices_of_many_members_are_read_in_portions(s: Stage) -> None:
    names = [f"@user{number}:{RESIDENT}" for number in range(7)]
    room = s.room(members=names)
    await s.join_partially(room)
    since = (await s.sync(lazy=True))["next_batch"]
    s.release()
    await s.until_full(room)
    with patch("ranvier.sync.sharing.PAGE", 3), patch("ranvier.sync.device_list_stream.PORTION", 3):
        told = await s.sync(lazy=True, since=since)
    assert sorted(told["device_lists"]["changed"]) == sorted([CHARLIE, *names])
