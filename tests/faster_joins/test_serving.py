"""What other servers are answered about rooms: ours, and those that we are partially joined to. FJ-3, scenarios 27 to 31."""

from urllib.parse import quote

from ranvier.ports import SystemRandom
from ranvier.proto.events import Event
from ranvier.proto.handshakes.template import complete_template, read_template
from ranvier.proto.room_versions import ROOM_VERSIONS
from tests.faster_joins.resident import Resident
from tests.faster_joins.room import MEMBER, ScriptedRoom, key_of, now_ms
from tests.faster_joins.stage import CHARLIE, DEREK, OURS, RESIDENT, Stage, staged

FAY = "@fay:new.test"


async def made(resident: Resident, act: str, room_id: str, user_id: str) -> tuple[int, dict[str, object]]:
    """The answer to `/make_join` or `/make_knock`."""
    versions = "&".join(f"ver={version}" for version in ROOM_VERSIONS)
    path = f"/_matrix/federation/v1/{act}/{quote(room_id)}/{quote(user_id)}?{versions}"
    return await resident.ask("GET", path)


@staged()
async def test_fj_03_what_a_join_with_partial_state_is_answered(s: Stage) -> None:
    room_id = await s.alice.create_room(preset="public_chat", name="Square")
    resident = s.resident
    _, template = await made(resident, "make_join", room_id, CHARLIE)
    join: Event = complete_template(
        read_template(template, room_id=room_id, user_id=CHARLIE, membership="join"),
        {"membership": "join"},
        server_name=RESIDENT,
        signing_key=key_of(RESIDENT),
        now_ms=now_ms(),
        random=SystemRandom().token_bytes,
    )
    path = f"/_matrix/federation/v2/send_join/{quote(room_id)}/{quote(join.event_id)}?omit_members=true"
    status, answer = await resident.ask("PUT", path, join.pdu)
    assert status == 200
    assert answer["members_omitted"] is True
    assert answer["servers_in_room"] == [OURS]
    assert answer["event"]["state_key"] == CHARLIE
    types = [event["type"] for event in answer["state"]]
    assert MEMBER not in types
    assert {"m.room.create", "m.room.power_levels", "m.room.join_rules", "m.room.name"} <= set(types)
    assert [event["state_key"] for event in answer["auth_chain"]] == [s.alice.user_id]


async def _refuses_to_let_in(s: Stage, act: str) -> None:
    room = s.room()
    await s.join_partially(room)
    resident = s.server("new.test")
    status, answer = await made(resident, f"make_{act}", room.room_id, FAY)
    assert (status, answer["errcode"]) == (404, "M_NOT_FOUND")
    s.release()
    await s.until_full(room)
    if act == "join":
        status, answer = await made(resident, "make_join", room.room_id, FAY)
        assert status == 200, answer


@staged()
async def test_scenario_27_rejects_make_join_during_a_partial_join(s: Stage) -> None:
    await _refuses_to_let_in(s, "join")


@staged()
async def test_scenario_30_rejects_make_knock_during_a_partial_join(s: Stage) -> None:
    await _refuses_to_let_in(s, "knock")


async def _refuses_to_take(s: Stage, act: str, membership: str) -> None:
    room = s.room()
    await s.join_partially(room)
    event = room.make(MEMBER, {"membership": membership}, sender=FAY, state_key=FAY)
    path = f"/_matrix/federation/{act}/{quote(room.room_id)}/{quote(event.event_id)}"
    status, answer = await s.server("new.test").ask("PUT", path, event.pdu)
    assert (status, answer["errcode"]) == (404, "M_NOT_FOUND")


@staged()
async def test_scenario_28_rejects_send_join_during_a_partial_join(s: Stage) -> None:
    await _refuses_to_take(s, "v2/send_join", "join")
    await _refuses_to_take(s, "v1/send_join", "join")


@staged()
async def test_scenario_31_rejects_send_knock_during_a_partial_join(s: Stage) -> None:
    await _refuses_to_take(s, "v1/send_knock", "knock")


async def _ours(s: Stage, room: ScriptedRoom) -> str:
    """An event of ours, which the resident was sent."""
    said = await s.alice.say(room.room_id, "hello")
    await s.pause()
    assert said in s.resident.heard_ids()
    return said


@staged()
async def test_what_authorises_our_events_is_told_to_who_was_sent_them(s: Stage) -> None:
    """MSC3895: here the answer that we are not able to must not be given."""
    room = s.room()
    join = await s.join_partially(room)
    said = await _ours(s, room)
    path = f"/_matrix/federation/v1/event_auth/{quote(room.room_id)}/{quote(said)}"
    status, answer = await s.resident.ask("GET", path)
    assert status == 200
    assert join.event_id in [room.hear(pdu).event_id for pdu in answer["auth_chain"]]


@staged()
async def test_our_events_are_told_to_who_misses_them(s: Stage) -> None:
    room = s.room()
    join = await s.join_partially(room)
    first, second = await _ours(s, room), await _ours(s, room)
    path = f"/_matrix/federation/v1/get_missing_events/{quote(room.room_id)}"
    asked = {"earliest_events": [join.event_id], "latest_events": [second], "limit": 10}
    status, answer = await s.resident.ask("POST", path, asked)
    assert status == 200
    assert [room.hear(pdu).event_id for pdu in answer["events"]] == [first]
    status, answer = await s.resident.ask("GET", f"/_matrix/federation/v1/event/{quote(second)}")
    assert status == 200
    assert room.hear(answer["pdus"][0]).event_id == second


@staged()
async def test_states_are_told_when_the_room_is_full(s: Stage) -> None:
    room = s.room()
    await s.join_partially(room)
    said = await _ours(s, room)
    for act in ("state", "state_ids"):
        path = f"/_matrix/federation/v1/{act}/{quote(room.room_id)}?event_id={quote(said)}"
        status, answer = await s.resident.ask("GET", path)
        assert (status, answer["errcode"]) == (403, "M_UNABLE_DUE_TO_PARTIAL_STATE")
    s.release()
    await s.until_full(room)
    path = f"/_matrix/federation/v1/state_ids/{quote(room.room_id)}?event_id={quote(said)}"
    status, answer = await s.resident.ask("GET", path)
    assert status == 200
    assert set(answer["pdu_ids"]) == {event.event_id for event in room.before[said].values()}
    assert DEREK in [key[1] for key in room.before[said]]
