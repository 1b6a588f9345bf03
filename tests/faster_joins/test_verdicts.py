"""Events that were judged by partial state, and are judged again by the full one. FJ-18, FJ-25, scenarios 24 to 26."""

from ranvier.store.events import ACCEPTED, REJECTED
from tests.faster_joins.room import MEMBER
from tests.faster_joins.stage import CHARLIE, DEREK, ELSIE, Stage, staged


async def status(s: Stage, event_id: str) -> int | None:
    """Our server's verdict on an event."""
    found = (await s.ours.rooms.cache.by_id([event_id])).get(event_id)
    return None if found is None else found.status


@staged()
async def test_scenario_24_rejected_events_remain_rejected(s: Stage) -> None:
    room = s.room(members=[DEREK])
    await s.join_partially(room)
    name = room.forge("m.room.name", {"name": "Derek's"}, sender=DEREK, state_key="")
    await s.tell(name)
    assert await status(s, name.event_id) == REJECTED
    after = room.say("after", sender=CHARLIE)
    await s.tell(after)
    s.release()
    await s.until_full(room)
    assert await status(s, name.event_id) == REJECTED
    assert name.event_id not in await s.shown(room)
    await s.check_full(room)


@staged()
async def test_scenario_25_state_that_was_accepted_incorrectly(s: Stage) -> None:
    """Elsie was kicked before the join, and nobody here knows."""
    room = s.room(members=[DEREK, ELSIE], levels={ELSIE: 50})
    before = dict(room.state)
    room.member(ELSIE, "leave", by=CHARLIE)
    await s.join_partially(room)
    wrong = room.forge("m.room.topic", {"topic": "Elsie's"}, sender=ELSIE, state_key="", state=before)
    await s.tell(wrong)
    assert (await s.get(room, "state/m.room.topic")).ok() == {"topic": "Elsie's"}
    s.release()
    await s.until_full(room)
    assert await status(s, wrong.event_id) == REJECTED
    assert (await s.get(room, "state/m.room.topic")).status == 404
    await s.check_full(room)


@staged()
async def test_scenario_26_state_that_was_rejected_incorrectly(s: Stage) -> None:
    """Derek was kicked by somebody who had been banned already: what derek says then is hidden, until that is known."""
    room = s.room(members=[DEREK, ELSIE], levels={ELSIE: 50, DEREK: 40})
    before = dict(room.state)
    levels = room.tell(
        "m.room.power_levels",
        {"users": {CHARLIE: 100, ELSIE: 50, DEREK: 40}, "events": {"m.room.topic": 0}, "kick": 50},
        state_key="",
    )
    before["m.room.power_levels", ""] = levels
    room.member(ELSIE, "ban", by=CHARLIE)
    join = await s.join_partially(room)
    kick = room.forge(MEMBER, {"membership": "leave"}, sender=ELSIE, state_key=DEREK, state=before, after=[join])
    await s.tell(kick)
    assert await status(s, kick.event_id) == ACCEPTED
    # The state after the kick is what others would see too, if the kick were right.
    room.before[kick.event_id] = room.before[join.event_id]
    topic = room.forge(
        "m.room.topic", {"topic": "Derek's"}, sender=DEREK, state_key="", after=[kick], state=room.after(join)
    )
    room.before[topic.event_id] = room.after(join)
    room.ends = [topic]
    await s.tell(topic)
    assert await status(s, topic.event_id) == REJECTED
    assert (await s.get(room, "state/m.room.topic")).status == 404
    s.release()
    await s.until_full(room)
    assert await status(s, kick.event_id) == REJECTED
    assert await status(s, topic.event_id) == ACCEPTED
    assert (await s.get(room, "state/m.room.topic")).ok() == {"topic": "Derek's"}
    members = (await s.get(room, "joined_members")).ok()["joined"]
    assert DEREK in members


@staged()
async def test_fj_30_local_users_may_do_everything_meanwhile(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE], levels={"@alice:ours.test": 100})
    await s.join_partially(room)
    invited = "@fay:elsewhere.test"
    (await s.alice.act(room.room_id, "invite", user_id=invited)).ok()
    (await s.alice.act(room.room_id, "kick", user_id=DEREK)).ok()
    (await s.alice.act(room.room_id, "ban", user_id=ELSIE)).ok()
    (await s.alice.set_state(room.room_id, "m.room.topic", {"topic": "x"})).ok()
    await s.alice.say(room.room_id, "hello")
    await s.pause()
    assert await s.partial(room) is not None
    s.release()
    await s.until_full(room)
    await s.check_full(room)
    state = room.state
    assert [state[MEMBER, user].membership for user in (invited, DEREK, ELSIE)] == ["invite", "leave", "ban"]


@staged()
async def test_fj_31_an_invitation_of_somebody_who_is_banned_is_repaired(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE], levels={"@alice:ours.test": 100})
    ban = room.member(ELSIE, "ban", by=CHARLIE)
    await s.join_partially(room)
    (await s.alice.act(room.room_id, "invite", user_id=ELSIE)).ok()
    invite = (await s.state_ids(room))[MEMBER, ELSIE]
    assert await status(s, invite) == ACCEPTED
    s.release()
    await s.until_full(room)
    assert await status(s, invite) == REJECTED
    assert (await s.state_ids(room))[MEMBER, ELSIE] == ban.event_id


@staged()
async def test_fj_18_a_member_who_had_left_is_gone_in_the_end(s: Stage) -> None:
    """A message of somebody who had left is shown, and later is not."""
    room = s.room(members=[DEREK, ELSIE])
    before = dict(room.state)
    room.member(ELSIE, "leave")
    await s.join_partially(room)
    wrong = room.forge("m.room.message", {"body": "boo"}, sender=ELSIE, state=before)
    await s.tell(wrong)
    assert wrong.event_id in await s.shown(room)
    s.release()
    await s.until_full(room)
    assert await status(s, wrong.event_id) == REJECTED
    assert wrong.event_id not in await s.shown(room)
    await s.check_joined(room, CHARLIE, DEREK, s.alice.user_id)
