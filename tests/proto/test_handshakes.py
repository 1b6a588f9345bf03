"""Handshakes: what is believed of the answers of other servers, and what is asked of their requests."""

from collections.abc import Mapping
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.proto.errors import MatrixError
from ranvier.proto.event_build import build_event
from ranvier.proto.events import Event
from ranvier.proto.handshakes.bad_answer import BadAnswer
from ranvier.proto.handshakes.countersign import countersign, take_signatures
from ranvier.proto.handshakes.join_answer import sound_answer, split_answer
from ranvier.proto.handshakes.member_request import check_offered_versions, check_own_membership, read_member_request
from ranvier.proto.handshakes.template import Template, complete_template, member_template, read_template
from ranvier.proto.handshakes.told_state import early_version, read_told_state
from ranvier.proto.room_versions import ROOM_VERSIONS, RoomVersion
from ranvier.proto.signing import SigningKey, check_event

HERE, THERE = "here.test", "there.test"
OUR_KEY, THEIR_KEY = SigningKey("ed25519:a", b"a" * 32), SigningKey("ed25519:b", b"b" * 32)
USER = f"@user:{HERE}"
CREATOR = f"@creator:{THERE}"
VERSIONS = list(ROOM_VERSIONS.values())
_numbers = count()


def random_bytes(size: int) -> bytes:
    return next(_numbers).to_bytes(size, "big")


def event_of(
    version: RoomVersion,
    type_: str,
    *,
    room_id: str | None,
    sender: str = CREATOR,
    state_key: str | None = "",
    content: Mapping[str, Any] | None = None,
    prev: tuple[Event, ...] = (),
    auth: tuple[Event, ...] = (),
) -> Event:
    ours = sender.endswith(f":{HERE}")
    return build_event(
        version=version,
        room_id=room_id,
        type=type_,
        sender=sender,
        state_key=state_key,
        content=dict(content or {}),
        origin_server_ts=1,
        depth=len(prev),
        prev_events=prev,
        auth_events=auth,
        signing_key=OUR_KEY if ours else THEIR_KEY,
        server_name=HERE if ours else THERE,
        random=random_bytes,
    )


class Room:
    """A room of the other server: created, joined by its creator, open to everybody."""

    def __init__(self, version: RoomVersion) -> None:
        self.version = version
        content = {"creator": CREATOR} if version.creator_in_content else {}
        fixed = None if version.domainless_room_ids else f"!room:{THERE}"
        self.create = event_of(
            version, "m.room.create", room_id=fixed, content={**content, "room_version": version.identifier}
        )
        self.room_id = self.create.room_id
        base = () if version.domainless_room_ids else (self.create,)
        self.creator = self.event("m.room.member", {"membership": "join"}, state_key=CREATOR, auth=base)
        self.rules = self.event("m.room.join_rules", {"join_rule": "public"}, auth=(*base, self.creator))
        self.topic = self.event("m.room.topic", {"topic": "handshakes"}, auth=(*base, self.creator))
        self.state = [self.create, self.creator, self.rules, self.topic]
        self.join_auth = (*base, self.rules)

    def event(self, type_: str, content: Mapping[str, Any], *, state_key: str = "", auth: tuple[Event, ...]) -> Event:
        return event_of(
            self.version,
            type_,
            room_id=self.room_id,
            content=content,
            state_key=state_key,
            prev=(self.create,),
            auth=auth,
        )

    def template(self, membership: str = "join", **content: Any) -> dict[str, Any]:
        template = member_template(
            version=self.version,
            room_id=self.room_id,
            user_id=USER,
            content={"membership": membership, **content},
            prev_events=[self.topic],
            auth_events=self.join_auth,
            origin=THERE,
            now_ms=5,
        )
        return {"room_version": self.version.identifier, "event": template}

    def join(self) -> Event:
        read = read_template(self.template(), room_id=self.room_id, user_id=USER, membership="join")
        return complete(read, {"membership": "join", "displayname": "User"})


def complete(template: Template, content: Mapping[str, Any]) -> Event:
    return complete_template(template, content, server_name=HERE, signing_key=OUR_KEY, now_ms=7, random=random_bytes)


@pytest.fixture(params=["1", "3", "6", "9", "11", "12"])
def room(request: pytest.FixtureRequest) -> Room:
    return Room(ROOM_VERSIONS[request.param])


def test_a_completed_template_is_our_signed_event_in_the_room(room: Room) -> None:
    join = room.join()
    check_event(join, HERE, {OUR_KEY.key_id: OUR_KEY.public_key})
    assert join.room_id == room.room_id
    assert (join.sender, join.state_key, join.membership) == (USER, USER, "join")
    assert join.prev_events == (room.topic.event_id,)
    assert join.auth_events == tuple(event.event_id for event in room.join_auth)
    assert join.origin_server_ts == 7
    assert join.depth == room.topic.depth + 1
    assert join.pdu["origin"] == HERE


def test_a_template_cannot_put_words_into_the_users_mouth(room: Room) -> None:
    answer = room.template(displayname="Mallory", reason="I was told to")
    answer["event"]["unsigned"] = {"age": 1}
    answer["event"]["redacts"] = "$something"
    read = read_template(answer, room_id=room.room_id, user_id=USER, membership="join")
    join = complete(read, {"membership": "join", "displayname": "User"})
    assert join.content == {"membership": "join", "displayname": "User"}
    assert not {"unsigned", "redacts"} & join.pdu.keys()


@pytest.mark.parametrize(("identifier", "kept"), [("7", False), ("8", True), ("12", True)])
def test_who_vouches_is_taken_from_the_template_where_the_version_knows_that(identifier: str, kept: bool) -> None:
    room = Room(ROOM_VERSIONS[identifier])
    answer = room.template(join_authorised_via_users_server=CREATOR)
    read = read_template(answer, room_id=room.room_id, user_id=USER, membership="join")
    join = complete(read, {"membership": "join"})
    assert ("join_authorised_via_users_server" in join.content) == kept


def test_a_leave_names_nobody_who_vouches() -> None:
    room = Room(ROOM_VERSIONS["11"])
    answer = room.template("leave", join_authorised_via_users_server=CREATOR)
    read = read_template(answer, room_id=room.room_id, user_id=USER, membership="leave")
    assert complete(read, {"membership": "leave"}).content == {"membership": "leave"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("type", "m.room.power_levels"),
        ("room_id", "!other:there.test"),
        ("sender", f"@other:{HERE}"),
        ("state_key", f"@other:{HERE}"),
        ("state_key", None),
        ("content", None),
        ("content", {"membership": "leave"}),
        ("prev_events", []),
        ("prev_events", "$one"),
        ("auth_events", None),
    ],
)
def test_a_template_for_something_else_is_refused(field: str, value: object) -> None:
    room = Room(ROOM_VERSIONS["11"])
    answer = room.template()
    answer["event"][field] = value
    with pytest.raises(BadAnswer):
        read_template(answer, room_id=room.room_id, user_id=USER, membership="join")


@pytest.mark.parametrize("answer", [None, [], {}, {"event": 1}, {"event": {}}, {"event": {}, "room_version": 6}])
def test_what_is_no_template_is_refused(answer: object) -> None:
    with pytest.raises(BadAnswer):
        read_template(answer, room_id="!a:b", user_id=USER, membership="join")


def test_an_unknown_room_version_is_refused_and_a_missing_one_is_the_first() -> None:
    room = Room(ROOM_VERSIONS["1"])
    answer = room.template()
    del answer["room_version"]
    assert read_template(answer, room_id=room.room_id, user_id=USER, membership="join").version.identifier == "1"
    with pytest.raises(BadAnswer):
        read_template({**answer, "room_version": "0"}, room_id=room.room_id, user_id=USER, membership="join")


@pytest.mark.parametrize("damage", [{"depth": "1"}, {"depth": 2**70}, {"prev_events": [1]}, {"auth_events": [{}]}])
def test_a_template_that_makes_no_event_is_refused(room: Room, damage: dict[str, Any]) -> None:
    answer = room.template()
    answer["event"] |= damage
    read = read_template(answer, room_id=room.room_id, user_id=USER, membership="join")
    with pytest.raises(BadAnswer):
        complete(read, {"membership": "join"})


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(json, st.sampled_from(VERSIONS))
def test_answers_of_any_shape_are_refused_without_a_crash(answer: Any, version: RoomVersion) -> None:
    with pytest.raises(BadAnswer):
        read_template(answer, room_id="!a:b", user_id=USER, membership="join")
    with pytest.raises(BadAnswer):
        split_answer(answer, Room(ROOM_VERSIONS["6"]).join())
    assert read_told_state(answer, version, "!a:b").problem is not None
    early_version(answer)


def answer_to(room: Room, **parts: Any) -> dict[str, Any]:
    return {
        "state": [event.pdu for event in room.state],
        "auth_chain": [event.pdu for event in room.state[:3]],
        **parts,
    }


def test_a_good_answer_to_a_join_is_the_rooms_state(room: Room) -> None:
    join = room.join()
    split = split_answer(answer_to(room), join)
    assert [len(split.state), len(split.auth_chain)] == [4, 3]
    assert split.join is join
    sound = sound_answer(room.state, room.state[:3], join, refused={})
    assert sound.state == room.state
    assert not sound.auth_chain


def test_the_resident_may_add_its_signature_and_nothing_else(room: Room) -> None:
    join = room.join()
    signed = countersign(join, THERE, THEIR_KEY)
    assert signed.event_id == join.event_id
    taken = split_answer(answer_to(room, event=signed.pdu), join).join
    check_event(taken, THERE, {THEIR_KEY.key_id: THEIR_KEY.public_key})
    check_event(taken, HERE, {OUR_KEY.key_id: OUR_KEY.public_key})
    with_unsigned = {**signed.pdu, "unsigned": {"age": 1}}
    assert split_answer(answer_to(room, event=with_unsigned), join).join.json == signed.json
    for other in (
        {**signed.pdu, "depth": 99},
        {**signed.pdu, "content": {"membership": "join"}},
        {**signed.pdu, "more": 1},
        {**signed.pdu, "signatures": None},
        7,
    ):
        with pytest.raises(BadAnswer):
            split_answer(answer_to(room, event=other), join)


def test_our_own_signature_cannot_be_taken_away_or_replaced() -> None:
    room = Room(ROOM_VERSIONS["11"])
    join = room.join()
    forged = {**join.pdu, "signatures": {HERE: {"ed25519:a": "AAAA"}, THERE: 5}}
    assert split_answer(answer_to(room, event=forged), join).join.json == join.json


@pytest.mark.parametrize("parts", [{"state": None}, {"auth_chain": {}}, {"state": [1]}, {"auth_chain": [None]}])
def test_an_answer_without_state_is_refused(parts: dict[str, Any]) -> None:
    room = Room(ROOM_VERSIONS["11"])
    with pytest.raises(BadAnswer):
        split_answer(answer_to(room, **parts), room.join())


def test_what_rests_on_missing_events_is_left_out(room: Room) -> None:
    other = room.event("m.room.member", {"membership": "join"}, state_key="@other:gone.test", auth=room.join_auth)
    name = room.event("m.room.name", {"name": "x"}, auth=(*room.join_auth[:-1], other))
    sound = sound_answer([*room.state, name], room.state[:3], room.join(), refused={})
    assert sound.state == room.state


def test_nothing_is_believed_if_what_decides_is_missing(room: Room) -> None:
    join = room.join()
    for gone in (room.creator, room.rules):
        state = [event for event in room.state if event is not gone]
        with pytest.raises(BadAnswer):
            sound_answer(state, [], join, refused={gone.event_id: "badly signed"})
    with pytest.raises(BadAnswer):
        sound_answer(room.state[1:], room.state[1:3], join, refused={})


def test_a_state_that_contradicts_itself_is_refused(room: Room) -> None:
    join = room.join()
    second = room.event("m.room.topic", {"topic": "other"}, auth=(*room.join_auth[:-1], room.creator))
    with pytest.raises(BadAnswer):
        sound_answer([*room.state, second], [], join, refused={})
    message = event_of(room.version, "m.room.message", room_id=room.room_id, state_key=None, auth=room.join_auth)
    with pytest.raises(BadAnswer):
        sound_answer([*room.state, message], [], join, refused={})


def test_the_create_event_must_be_that_of_the_version_that_was_promised() -> None:
    room = Room(ROOM_VERSIONS["9"])
    read = read_template(
        {**room.template(), "room_version": "8"}, room_id=room.room_id, user_id=USER, membership="join"
    )
    with pytest.raises(BadAnswer):
        sound_answer(room.state, [], complete(read, {"membership": "join"}), refused={})


def read(event: Event, **changes: Any) -> Event:
    expected: dict[str, Any] = {
        "room_id": event.room_id,
        "event_id": event.event_id,
        "membership": "join",
        "origin": HERE,
    }
    return read_member_request(event.pdu, event.version, **{**expected, **changes})


def test_a_join_that_was_handed_in_is_read_as_it_is(room: Room) -> None:
    join = room.join()
    taken = read(join)
    check_own_membership(taken)
    assert taken.json == join.json
    assert read_member_request(
        {**join.pdu, "unsigned": {"age": 1}},
        join.version,
        room_id=join.room_id,
        event_id=join.event_id,
        membership="join",
        origin=HERE,
    ).json == join.json  # fmt: skip


@pytest.mark.parametrize(
    "changes", [{"room_id": "!other:x"}, {"event_id": "$other"}, {"membership": "leave"}, {"origin": THERE}]
)
def test_an_event_that_is_not_the_one_of_the_path_is_an_invalid_param(room: Room, changes: dict[str, Any]) -> None:
    with pytest.raises(MatrixError) as caught:
        read(room.join(), **changes)
    assert (caught.value.status, caught.value.errcode) == (400, "M_INVALID_PARAM")


def test_other_events_are_no_memberships(room: Room) -> None:
    with pytest.raises(MatrixError) as caught:
        read(room.topic, origin=THERE)
    assert caught.value.errcode == "M_INVALID_PARAM"
    with pytest.raises(MatrixError) as caught:
        check_own_membership(event_of(
            room.version, "m.room.member", room_id=room.room_id, state_key=USER, content={"membership": "join"}
        ))  # fmt: skip
    assert caught.value.errcode == "M_INVALID_PARAM"


def test_an_event_with_a_false_hash_is_refused(room: Room) -> None:
    pdu = {**room.join().pdu, "content": {"membership": "join", "displayname": "Mallory"}}
    with pytest.raises(MatrixError) as caught:
        read_member_request(
            pdu, room.version, room_id=room.room_id, event_id=room.join().event_id, membership="join", origin=HERE
        )
    assert caught.value.errcode == "M_INVALID_PARAM"


def test_what_is_no_event_is_bad_json() -> None:
    for pdu in ({}, {**Room(ROOM_VERSIONS["11"]).join().pdu, "depth": "deep"}):
        with pytest.raises(MatrixError) as caught:
            read_member_request(pdu, ROOM_VERSIONS["11"], room_id="!a:b", event_id="$a", membership="join", origin=HERE)
        assert (caught.value.status, caught.value.errcode) == (400, "M_BAD_JSON")


def test_the_room_version_must_be_among_those_that_are_offered() -> None:
    check_offered_versions(ROOM_VERSIONS["9"], ["8", "9"])
    check_offered_versions(ROOM_VERSIONS["1"], [])
    for offered in (["1"], []):
        with pytest.raises(MatrixError) as caught:
            check_offered_versions(ROOM_VERSIONS["9"], offered)
        assert caught.value.errcode == "M_INCOMPATIBLE_ROOM_VERSION"
        assert caught.value.extra == {"room_version": "9"}


def test_full_events_of_the_room_are_told(room: Room) -> None:
    told = read_told_state([event.pdu for event in room.state], room.version, room.room_id)
    assert told.problem is None
    assert [event.event_id for event in told.events] == [event.event_id for event in room.state]


def test_stripped_entries_of_older_servers_are_kept_and_named_a_problem(room: Room) -> None:
    stripped = {"type": "m.room.name", "state_key": "", "sender": CREATOR, "content": {"name": "x"}, "more": 1}
    told = read_told_state([room.create.pdu, stripped], room.version, room.room_id)
    assert told.problem is not None
    assert told.stripped == [{"type": "m.room.name", "state_key": "", "sender": CREATOR, "content": {"name": "x"}}]
    assert [event.event_id for event in told.events] == [room.create.event_id]


def test_a_missing_create_event_and_events_of_other_rooms_are_problems() -> None:
    room = Room(ROOM_VERSIONS["12"])
    assert read_told_state([room.rules.pdu], room.version, room.room_id).problem is not None
    foreign = Room(ROOM_VERSIONS["11"])
    other = event_of(room.version, "m.room.name", room_id=foreign.room_id, content={"name": "x"})
    told = read_told_state([room.create.pdu, other.pdu], room.version, room.room_id)
    assert told.problem is not None
    assert [event.type for event in told.events] == ["m.room.create"]


def test_the_version_of_an_early_room_is_in_its_create_event() -> None:
    assert early_version([{"type": "m.room.create", "content": {"room_version": "2"}}]).identifier == "2"
    assert early_version(None).identifier == "1"


def test_the_invited_servers_signature_is_taken_and_nothing_else(room: Room) -> None:
    invite = event_of(
        room.version, "m.room.member", room_id=room.room_id, state_key=USER, content={"membership": "invite"}
    )
    answered = countersign(invite, HERE, OUR_KEY).pdu
    taken = take_signatures(invite, {**answered, "content": {"membership": "ban"}}, HERE)
    assert taken.content == {"membership": "invite"}
    check_event(taken, HERE, {OUR_KEY.key_id: OUR_KEY.public_key})
    check_event(taken, THERE, {THEIR_KEY.key_id: THEIR_KEY.public_key})


@given(st.data())
def test_what_is_believed_rests_on_nothing_that_is_not_there(data: st.DataObject) -> None:
    room = Room(ROOM_VERSIONS["11"])
    events = list(room.state)
    for number in range(data.draw(st.integers(0, 12))):
        cited = data.draw(st.lists(st.sampled_from(events), max_size=4, unique_by=lambda event: event.event_id))
        events.append(room.event("m.custom", {}, state_key=str(number), auth=tuple(cited)))
    extra = [event for event in events[4:] if data.draw(st.booleans())]
    state = [*room.state, *(event for event in extra if data.draw(st.booleans()))]
    sound = sound_answer(state, [event for event in extra if event not in state], room.join(), refused={})
    left = {event.event_id for event in (*sound.state, *sound.auth_chain)}
    assert all(left.issuperset(event.auth_events) for event in (*sound.state, *sound.auth_chain))
    present = {event.event_id: event for event in (*room.state, *extra)}

    def holds(event: Event) -> bool:
        return all(cited in present and holds(present[cited]) for cited in event.auth_events)

    assert left == {key for key, event in present.items() if holds(event)}
