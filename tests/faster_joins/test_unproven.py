"""Members whose servers are gone, with the keys that they have signed with."""

from ranvier.federation.further_keys import MOST_EVENTS
from tests.faster_joins.room import ScriptedRoom
from tests.faster_joins.stage import DEREK, ELSIE, RESIDENT, Stage, staged

GONE = "gone.test"
GUS = f"@gus:{GONE}"
OTHER = "elsewhere.test"


def room_with_gus(s: Stage, *who_knows: str) -> ScriptedRoom:
    """A room of three servers, one of which does not answer any more; these others know its keys."""
    room = s.room(members=[DEREK, ELSIE, GUS])
    del s.world.network.apps[GONE]
    for name in who_knows:
        s.server(name).knows_keys_of.add(GONE)
    return room


@staged()
async def test_who_was_in_the_room_with_them_is_asked_for_their_keys(s: Stage) -> None:
    room = room_with_gus(s, RESIDENT, OTHER)
    await s.join(room)
    await s.until_full(room)
    await s.check_full(room)
    assert ("m.room.member", GUS) in await s.state_ids(room)
    assert [request.act for request in s.resident.asked("state", "state_ids", "event")] == ["state"]
    # What they have told proves nothing anywhere else.
    assert (await s.ours.federation.keys.valid_keys(GONE, frozenset({"ed25519:scripted"}), at_ms=None)) == {}


@staged()
async def test_one_alone_is_not_believed(s: Stage) -> None:
    room = room_with_gus(s, RESIDENT)
    await s.join(room)
    await s.until_full(room)
    assert ("m.room.member", GUS) not in await s.state_ids(room)
    assert ("m.room.member", ELSIE) in await s.state_ids(room)


@staged()
async def test_a_wrong_key_proves_nothing(s: Stage) -> None:
    room = room_with_gus(s, RESIDENT, OTHER)
    gus = room.state["m.room.member", GUS]
    pdu = {**gus.pdu, "signatures": {GONE: {"ed25519:scripted": "A" * 86}}}
    for act in ("state", "event"):
        s.resident.lie(
            act,
            lambda request, answer: {
                **answer,
                "pdus": [pdu if one["sender"] == GUS else one for one in answer["pdus"]],
            },
        )
    await s.join(room)
    await s.until_full(room)
    assert ("m.room.member", GUS) not in await s.state_ids(room)


@staged()
async def test_nobody_is_asked_if_everybody_can_be_believed(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    await s.join(room)
    await s.until_full(room)
    assert not any(server.keys_asked for server in s.residents.values())


def test_what_is_looked_at_is_bounded() -> None:
    assert MOST_EVENTS <= 2_000
