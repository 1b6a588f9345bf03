"""What other servers are answered about partially joined rooms, and what they tell of users who are not known yet."""

import asyncio
from typing import Any

from tests.api.asgi import in_room
from tests.faster_joins.room import ScriptedRoom
from tests.faster_joins.stage import CHARLIE, DEREK, ELSIE, RESIDENT, Stage, staged

OTHER = "elsewhere.test"
UNABLE = "M_UNABLE_DUE_TO_PARTIAL_STATE"


async def missing(s: Stage, server: str, room: ScriptedRoom, latest: str, earliest: str) -> Any:
    path = f"/_matrix/federation/v1/get_missing_events/{room.room_id}"
    return await s.server(server).ask("POST", path, {"earliest_events": [earliest], "latest_events": [latest]})


@staged()
async def test_a_server_that_was_told_an_event_gets_its_content_whoever_may_see_it(s: Stage) -> None:
    """History is for those who are joined, and nobody knows yet which users of the server are."""
    room = s.room(members=[DEREK, ELSIE])
    room.tell("m.room.history_visibility", {"history_visibility": "joined"}, state_key="")
    join = await s.join_partially(room)
    said = await s.alice.say(room.room_id, "one")
    latest = await s.alice.say(room.room_id, "two")
    status, answer = await missing(s, OTHER, room, latest, join.event_id)
    assert status == 200
    assert [event["content"].get("body") for event in answer["events"]] == ["one"]
    status, answer = await s.server(OTHER).ask("GET", f"/_matrix/federation/v1/event/{said}")
    assert answer["pdus"][0]["content"]["body"] == "one"


@staged()
async def test_a_server_of_which_we_do_not_know_whether_it_is_there_is_told_so(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    s.resident.lie("send_join", lambda request, answer: {**answer, "servers_in_room": [RESIDENT]})
    join = await s.join_partially(room)
    latest = await s.alice.say(room.room_id, "one")
    status, answer = await missing(s, OTHER, room, latest, join.event_id)
    assert (status, answer["errcode"]) == (403, UNABLE)
    s.release()
    await s.until_full(room)
    status, _ = await missing(s, OTHER, room, latest, join.event_id)
    assert status == 200
    status, answer = await missing(s, s.server("nowhere.test").name, room, latest, join.event_id)
    assert (status, answer["errcode"]) == (403, "M_FORBIDDEN")


@staged()
async def test_presence_of_who_may_be_in_the_room_is_shown(s: Stage) -> None:
    room = s.room(members=[DEREK])
    s.server("nowhere.test")
    await s.join_partially(room)
    since = (await s.sync(lazy=True))["next_batch"]
    for user_id, server in ((CHARLIE, RESIDENT), ("@x:nowhere.test", "nowhere.test")):
        news = {"user_id": user_id, "presence": "online", "last_active_ago": 10}
        await s.server(server).send(edus=[("m.presence", {"push": [news]})])
    await s.pause(1)
    told = await s.sync(lazy=True, since=since)
    assert [event["sender"] for event in told["presence"]["events"] if event["sender"] != s.alice.user_id] == [CHARLIE]
    assert await s.partial(room) is not None


@staged()
async def test_receipts_and_typing_reach_the_servers_of_the_room(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    await s.join_partially(room)
    (await s.alice.put(f"{in_room(room.room_id)}/typing/{s.alice.user_id}", {"typing": True, "timeout": 5000})).ok()
    message = room.say("hello", sender=DEREK)
    await s.tell(message)
    (await s.alice.post(f"{in_room(room.room_id)}/receipt/m.read/{message.event_id}", {})).ok()
    await s.pause(30)
    for server in (RESIDENT, OTHER):
        assert s.server(server).heard_edus("m.typing")
        assert s.server(server).heard_edus("m.receipt")


@staged()
async def test_our_presence_reaches_the_servers_of_the_room(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    await s.join_partially(room)
    await asyncio.sleep(1)
    path = f"/presence/{s.alice.user_id}/status"
    (await s.alice.put(path, {"presence": "online", "status_msg": "here"})).ok()
    await s.pause(60)
    for server in (RESIDENT, OTHER):
        assert any(
            s.alice.user_id == push["user_id"]
            for edu in s.server(server).heard_edus("m.presence")
            for push in edu["push"]
        )
