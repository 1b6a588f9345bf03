"""What the server that keeps to no rule does of its own accord."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

from ranvier.proto.auth.state import JOIN_RULES, POWER_LEVELS
from ranvier.proto.event_format import InvalidEvent
from ranvier.proto.events import Event
from tests.plays.byzantine import EVIL, Byzantine

MEMBER: Final = "m.room.member"
TOPIC: Final = "m.room.topic"
MOST_DEPTH: Final = (1 << 53) - 1
CHAIN: Final = 60


@dataclass(slots=True)
class Attacks:
    """The peer, and those whom it attacks."""

    peer: Byzantine
    honest: Sequence[str]
    """The names of the servers."""
    done: Counter[str] = field(default_factory=Counter)

    async def act(self) -> str:
        """One of them; its name."""
        names = sorted(ATTACKS)
        name = self.peer.random.choice(names)
        try:
            await ATTACKS[name](self)
        except InvalidEvent:
            return f"{name} (not made)"
        self.done[name] += 1
        return name

    # What is needed again and again.

    def victims(self) -> list[str]:
        """Some of the servers, at least one."""
        names = list(self.honest)
        return self.peer.random.sample(names, self.peer.random.randint(1, len(names)))

    def honest_user(self) -> str:
        """Somebody of another server who is, or was, in the room."""
        users = sorted(key[1] for key in self.peer.state if key[0] == MEMBER and not key[1].endswith(EVIL))
        return self.peer.random.choice(users)

    def old_place(self) -> Event:
        """Some event of the room."""
        return self.peer.events[self.peer.random.choice(self.peer.told)]

    def message(self, text: str, **fields: Any) -> Event:
        """A message."""
        return self.peer.make("m.room.message", {"msgtype": "m.text", "body": text}, **fields)

    def state_event(self, **fields: Any) -> Event:
        """A state event of some kind, allowed or not."""
        peer, random = self.peer, self.peer.random
        kind = random.choice(("topic", "name", "ban", "levels", "rules", "self", "leave"))
        if kind in ("topic", "name"):
            return peer.make(f"m.room.{kind}", {kind: f"evil {random.random()}"}, state_key="", **fields)
        if kind == "ban":
            return peer.make(MEMBER, {"membership": "ban"}, state_key=self.honest_user(), **fields)
        if kind == "rules":
            return peer.make(*JOIN_RULES[:1], {"join_rule": "invite"}, state_key="", **fields)
        if kind == "levels":
            standing = peer.state.get(POWER_LEVELS)
            users = {} if standing is None else dict(standing.content.get("users", {}))
            users[random.choice(peer.users)] = random.choice((50, 100))
            content: Mapping[str, Any] = {} if standing is None else standing.content
            return peer.make(POWER_LEVELS[0], {**content, "users": users}, state_key="", **fields)
        fields.setdefault("sender", random.choice(peer.users))
        membership = {"membership": "leave" if kind == "leave" else "join", "displayname": f"{random.random()}"}
        return peer.make(MEMBER, membership, state_key=fields["sender"], **fields)


async def speak(one: Attacks) -> None:
    """Nothing is wrong with it."""
    event = one.message("hello")
    one.peer.learn(event)
    await one.peer.tell(one.honest, event)


async def change(one: Attacks) -> None:
    """State, with power or without."""
    event = one.state_event()
    one.peer.learn(event)
    await one.peer.tell(one.honest, event)


async def come_back(one: Attacks) -> None:
    """A user of it joins, perhaps a new one, or one that was thrown out."""
    peer = one.peer
    user_id = f"@m{peer.random.randint(1, 4)}:{peer.name}"
    await peer.join(peer.random.choice(list(one.honest)), peer.room_id, user_id)


async def forge_sender(one: Attacks) -> None:
    """An event in somebody else's name, with a signature that is none of theirs, or without one."""
    peer, victim = one.peer, one.honest_user()
    event = peer.random.choice(
        (
            lambda: one.message("I am somebody else", sender=victim),
            lambda: one.state_event(sender=victim),
            lambda: peer.make(MEMBER, {"membership": "leave"}, sender=victim, state_key=victim),
        )
    )()
    pdu = event.pdu
    if peer.random.random() < 0.7:
        signature = pdu["signatures"][peer.name][peer.key.key_id]
        pdu["signatures"][victim.partition(":")[2]] = {"ed25519:a_play": signature}
    for server in one.victims():
        await peer.send(server, [pdu])


async def break_signature(one: Attacks) -> None:
    """Signed by another key, or not quite signed."""
    pdu = one.message("believe me").pdu
    signature = pdu["signatures"][one.peer.name][one.peer.key.key_id]
    pdu["signatures"][one.peer.name][one.peer.key.key_id] = one.peer.random.choice(
        (signature[::-1], "A" * 86, "", "no base64 !", signature[:-1])
    )
    for server in one.victims():
        await one.peer.send(server, [pdu])


async def break_hash(one: Attacks) -> None:
    """The same event id with one content for some, and another for others, whose hash is wrong."""
    event = one.message("this") if one.peer.random.random() < 0.5 else one.state_event()
    other = one.peer.reread({**event.pdu, "content": {**event.content, "body": "that", "topic": "that"}})
    one.peer.learn(event)
    for server in one.honest:
        await one.peer.send(server, [one.peer.random.choice((event, other)).pdu])


async def flood_with_forks(one: Attacks) -> None:
    """Many events after the same one, scattered over the servers."""
    place = one.old_place()
    state = one.peer.before[place.event_id]
    for number in range(one.peer.random.randint(12, 24)):
        event = one.message(f"fork {number}", prev=[place], state=state if number % 2 else None)
        one.peer.place(event, state)
        await one.peer.send(one.peer.random.choice(list(one.honest)), [event.pdu])


async def equivocate(one: Attacks) -> None:
    """Two events at the same place, each shown to a part of the servers only."""
    peer = one.peer
    ends = list(peer.ends[-5:])
    first, second = one.state_event(prev=ends), one.state_event(prev=ends)
    peer.learn(first)
    peer.place(second, peer.before[first.event_id])
    for server in one.honest:
        await peer.send(server, [peer.random.choice((first, second)).pdu])


async def withhold(one: Attacks) -> None:
    """An event that nobody is given, and others that stand on it."""
    peer = one.peer
    hidden = one.state_event() if peer.random.random() < 0.7 else one.message("hidden")
    peer.place(hidden, peer.state)
    peer.withheld.add(hidden.event_id)
    after = {**peer.state, **({} if hidden.key is None else {hidden.key: hidden})}
    parents = [hidden, *peer.ends[-1:]] if peer.random.random() < 0.5 else [hidden]
    shown = one.message("on something hidden", prev=parents, state=after)
    if peer.random.random() < 0.5:
        shown = one.state_event(prev=parents, state=after)
    peer.place(shown, after)
    await peer.tell(one.victims(), shown)


async def chain_without_end(one: Attacks) -> None:
    """The last of many events, of which the first cites what does not exist."""
    peer = one.peer
    nowhere = f"${'x' * 42}{peer.random.choice('AEIMQUYcgkosw048')}"
    fields: dict[str, Any] = {} if peer.version.event_ids == "opaque" else {"prev_events": [nowhere]}
    event = one.message("0", prev=[], **fields)
    peer.place(event, peer.state)
    for number in range(1, peer.random.randint(2, CHAIN)):
        event = one.message(f"{number}", prev=[event])
        peer.place(event, peer.state)
    await peer.tell(one.victims(), event)


async def rewrite_history(one: Attacks) -> None:
    """Events at an old place, where it was still in the room, or still had power."""
    place = one.old_place()
    state = one.peer.before[place.event_id]
    event = one.state_event(prev=[place], state=state)
    one.peer.place(event, state)
    await one.peer.tell(one.victims(), event)


async def stand_on_rejected(one: Attacks) -> None:
    """An event that is not allowed, and one that cites it as its authority."""
    peer = one.peer
    user = peer.random.choice(peer.users)
    levels = peer.make(POWER_LEVELS[0], {"users": {user: 100}}, state_key="", sender=user)
    after = {**peer.state, POWER_LEVELS: levels}
    use = one.state_event(prev=[levels], state=after, sender=user)
    peer.place(levels, peer.state)
    peer.place(use, after)
    await peer.tell(one.victims(), levels, use)


async def claim_depth_and_time(one: Attacks) -> None:
    """Numbers at their limits."""
    random = one.peer.random
    depth = random.choice((0, 1, MOST_DEPTH, -MOST_DEPTH, MOST_DEPTH - 1))
    now = one.peer.now_ms()
    ts = random.choice((0, -1, MOST_DEPTH, now + 10**9, now - 10**9, now))
    event = one.state_event(depth=depth, origin_server_ts=ts)
    if random.random() < 0.5:
        one.peer.learn(event)
    else:
        one.peer.place(event, one.peer.state)
    await one.peer.tell(one.victims(), event)


async def send_malformed(one: Attacks) -> None:
    """What is no event at all, or too much of one."""
    peer, random = one.peer, one.peer.random
    known = sorted(peer.events)
    pdu = one.message("well formed").pdu
    broken: Any = random.choice(
        (
            {**pdu, "content": {"body": "x" * 70_000}},
            {**pdu, "prev_events": []},
            {**pdu, "prev_events": (known * 21)[:21]},
            {**pdu, "auth_events": (known * 11)[:11]},
            {**pdu, "auth_events": [*pdu["auth_events"], *pdu["auth_events"]]},
            {**pdu, "auth_events": []},
            {**pdu, "auth_events": known[:5]},
            {**pdu, "depth": "deep"},
            {**pdu, "depth": 1 << 60},
            {**pdu, "sender": "nobody"},
            {**pdu, "room_id": "!other:one.test"},
            {**pdu, "type": "x" * 256},
            {**pdu, "content": {"body": 1.5}},
            {key: pdu[key] for key in random.sample(sorted(pdu), 5)},
            {**pdu, "signatures": {peer.name: 1}},
            {**pdu, "hashes": {"sha256": 7}},
            [],
        )
    )
    for server in one.victims():
        await peer.send(server, [broken] if random.random() < 0.7 else [pdu] * 30 + [broken] * 30)


async def replay(one: Attacks) -> None:
    """Events of others, again, in disorder, with additions."""
    peer = one.peer
    some = peer.random.sample(peer.told, min(10, len(peer.told)))
    pdus = [{**peer.events[event_id].pdu, "unsigned": {"age": 1, "redacted_because": {}}} for event_id in some]
    for server in one.victims():
        await peer.send(server, pdus)


async def slip_in(one: Attacks) -> None:
    """Users nobody has heard of, at one server only."""
    peer = one.peer
    user_id = f"@puppet{peer.random.randint(1, 9)}:{peer.name}"
    event = peer.make(MEMBER, {"membership": "join"}, sender=user_id, state_key=user_id)
    peer.place(event, peer.state)
    await peer.tell(one.victims()[:1], event)


async def redact_others(one: Attacks) -> None:
    """What others have said shall be gone."""
    peer = one.peer
    target = peer.random.choice(peer.told)
    at: dict[str, Any] = {} if peer.version.redacts_in_content else {"redacts": target}
    event = peer.make("m.room.redaction", {"redacts": target} if peer.version.redacts_in_content else {}, **at)
    peer.learn(event)
    await peer.tell(one.victims(), event)


async def abuse_handshakes(one: Attacks) -> None:
    """What is meant for joining and leaving, for something else."""
    peer, random = one.peer, one.peer.random
    act = random.choice(("send_join", "send_leave", "send_knock", "invite"))
    event = random.choice(
        (
            one.state_event,
            lambda: one.message("no member"),
            lambda: peer.make(MEMBER, {"membership": "join"}, sender=one.honest_user(), state_key=one.honest_user()),
            lambda: peer.make(MEMBER, {"membership": "invite"}, state_key=one.honest_user()),
        )
    )()
    version = "v1" if act == "send_knock" else "v2"
    path = f"/_matrix/federation/{version}/{act}/{quote(peer.room_id, safe='')}/{quote(event.event_id, safe='')}"
    content = (
        {"event": event.pdu, "room_version": peer.version.identifier, "invite_room_state": []}
        if act == "invite"
        else event.pdu
    )
    await peer.ask("PUT", random.choice(list(one.honest)), path, content)


async def gossip(one: Attacks) -> None:
    """EDUs about users that are not its own, and in shapes that there are not."""
    peer, random = one.peer, one.peer.random
    victim = one.honest_user()
    edu = random.choice(
        (
            {"edu_type": "m.typing", "content": {"room_id": peer.room_id, "user_id": victim, "typing": True}},
            {
                "edu_type": "m.receipt",
                "content": {peer.room_id: {"m.read": {victim: {"event_ids": ["$x"], "data": {}}}}},
            },
            {"edu_type": "m.presence", "content": {"push": [{"user_id": victim, "presence": "online"}]}},
            {"edu_type": "m.device_list_update", "content": {"user_id": victim, "device_id": "X", "stream_id": 1}},
            {"edu_type": "m.direct_to_device", "content": {"sender": victim, "messages": {victim: {"*": {}}}}},
            {"edu_type": "m.receipt", "content": {peer.room_id: []}},
            {"edu_type": 7, "content": None},
            {},
        )
    )
    for server in one.victims():
        await peer.send(server, [], [edu])


async def close_a_circle(one: Attacks) -> None:
    """Two events that cite each other, where servers name their events; elsewhere a fork and its own merge."""
    peer = one.peer
    if peer.version.event_ids != "opaque":
        first = one.message("left")
        second = one.message("right", prev=[first, *peer.ends[-1:]])
        peer.place(first, peer.state)
        peer.place(second, peer.state)
        await peer.tell(one.victims(), second, first)
        return
    first_id, second_id = peer.name_event(), peer.name_event()
    hashes = {"sha256": "A" * 43}
    first = one.message("first", event_id=first_id, prev_events=[[second_id, hashes]])
    second = one.message("second", event_id=second_id, prev_events=[[first_id, hashes], [second_id, hashes]])
    peer.place(first, peer.state)
    peer.place(second, peer.state)
    await peer.tell(one.victims(), first, second)


ATTACKS: Final[Mapping[str, Callable[[Attacks], Awaitable[None]]]] = {
    attack.__name__: attack
    for attack in (
        speak,
        change,
        come_back,
        forge_sender,
        break_signature,
        break_hash,
        flood_with_forks,
        equivocate,
        withhold,
        chain_without_end,
        rewrite_history,
        stand_on_rejected,
        claim_depth_and_time,
        send_malformed,
        replay,
        slip_in,
        redact_others,
        abuse_handshakes,
        gossip,
        close_a_circle,
    )
}
