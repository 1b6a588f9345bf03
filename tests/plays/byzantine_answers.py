"""What the server that keeps to no rule answers: sometimes the truth, sometimes nothing, sometimes each what suits it."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

import orjson

from ranvier.http.response import Header
from ranvier.proto.events import Event, StateKey
from ranvier.proto.key_documents import write_key_document
from ranvier.proto.x_matrix import parse_x_matrix
from tests.plays.byzantine import EVIL, Byzantine, State
from tests.plays.world import EPOCH_MS, World

Answered = tuple[int, list[Header], bytes]

MOODS: Final = ("truth", "lie", "withhold", "error", "rubbish", "silence")
WEIGHTS: Final = (6, 6, 3, 1, 1, 1)
SILENCE_S: Final = 3600.0
"""Longer than anybody waits."""
KEYS_VALID_MS: Final = 7 * 24 * 3600 * 1000


@dataclass(slots=True)
class ByzantineApp:
    """Its listener."""

    peer: Byzantine
    weights: Sequence[int] = WEIGHTS
    """How often it is in which of the `MOODS`."""
    lie: Callable[[str, State], State] | None = None
    """What it tells a server instead of a state, if not just anything."""
    moods: Counter[str] = field(default_factory=Counter)
    """What it was in, by what it was asked."""

    async def handle(self, method: str, target: str, headers: Sequence[Header] = (), body: bytes = b"") -> Answered:
        """One request."""
        url = urlsplit(target)
        segments = [unquote(segment) for segment in url.path.removeprefix("/_matrix/").split("/")]
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        if segments[0] == "key":
            # Its keys it shows to everybody alike: who believes in two of them cannot agree with others on anything.
            return _json(self._keys())
        if self.peer.is_quiet:
            return _json({"errcode": "M_UNKNOWN", "error": "gone"}, 503)
        act = segments[2]
        if act == "send":
            return await self._take(body)
        mood = self.peer.random.choices(MOODS, self.weights)[0]
        self.moods[f"{act} {mood}"] += 1
        if mood == "silence":
            await asyncio.sleep(SILENCE_S)
        if mood == "rubbish":
            return self._rubbish()
        if mood == "error":
            return _json(
                {"errcode": "M_UNKNOWN", "error": "no"}, self.peer.random.choice((400, 403, 404, 429, 500, 502))
            )
        found = self._answer(act, segments[3:], query, body, mood, _asker(headers))
        return _json({"errcode": "M_NOT_FOUND", "error": "no"}, 404) if found is None else _json(found)

    async def _take(self, body: bytes) -> Answered:
        """A transaction: it hears everything, whatever it says."""
        self.peer.hear(orjson.loads(body).get("pdus", ()))
        mood = self.peer.random.choices(("truth", "error", "rubbish", "silence"), (90, 4, 3, 1))[0]
        self.moods[f"send {mood}"] += 1
        if mood == "silence":
            await asyncio.sleep(SILENCE_S)
        if mood == "rubbish":
            return self._rubbish()
        return _json({"pdus": {}}) if mood == "truth" else _json({"errcode": "M_UNKNOWN", "error": "no"}, 500)

    def _answer(self, act: str, rest: Sequence[str], query: dict[str, str], body: bytes, mood: str, asker: str) -> Any:
        peer, event_id = self.peer, query.get("event_id", "")
        if act == "event":
            return self._event(rest[0], mood)
        if act in ("state_ids", "state"):
            return self._state(event_id, mood, asker, is_whole=act == "state")
        if act == "event_auth":
            event = self._given(rest[1])
            chain = [] if event is None or mood == "withhold" else peer.auth_chain([event])
            if mood == "lie":
                chain = self._some(chain) + self._any(3)
            return None if event is None else {"auth_chain": [event.pdu for event in chain]}
        if act == "get_missing_events":
            asked = orjson.loads(body)
            return {"events": [event.pdu for event in self._missing(asked["latest_events"], mood)]}
        if act == "backfill":
            return {"origin": peer.name, "origin_server_ts": 0, "pdus": [event.pdu for event in self._any(5)]}
        return None

    def _given(self, event_id: str) -> Event | None:
        return None if event_id in self.peer.withheld else self.peer.events.get(event_id)

    def _event(self, event_id: str, mood: str) -> Any:
        event = self._given(event_id)
        if event is None or mood == "withhold":
            return None
        shown = self._any(1)[0] if mood == "lie" else event
        return {"origin": self.peer.name, "origin_server_ts": 0, "pdus": [shown.pdu]}

    def _state(self, event_id: str, mood: str, asker: str, *, is_whole: bool) -> Any:
        state = self.peer.before.get(event_id)
        if state is None or mood == "withhold":
            return None
        events = list((self._twisted(state, asker) if mood == "lie" else state).values())
        chain = self.peer.auth_chain(events)
        if is_whole:
            return {"pdus": [event.pdu for event in events], "auth_chain": [event.pdu for event in chain]}
        return {
            "pdu_ids": [event.event_id for event in events],
            "auth_chain_ids": [event.event_id for event in chain],
        }

    def _twisted(self, state: State, asker: str) -> State:
        """A state in which something is left out, old, or wrong."""
        if self.lie is not None:
            return self.lie(asker, state)
        random, peer = self.peer.random, self.peer
        told: dict[StateKey, Event] = dict(state)
        for _ in range(random.randint(1, 3)):
            if told:
                del told[random.choice(sorted(told))]
        others = [event for event in peer.events.values() if event.key is not None]
        for event in random.sample(others, min(3, len(others))):
            if event.key is not None:
                told[event.key] = event
        if random.random() < 0.5:
            honest = random.choice(sorted(key[1] for key in peer.state if key[0] == "m.room.member"))
            ban = peer.make("m.room.member", {"membership": "ban"}, state_key=honest)
            peer.events[ban.event_id] = ban
            told["m.room.member", honest] = ban
        return told

    def _missing(self, latest: Sequence[str], mood: str) -> list[Event]:
        peer = self.peer
        if mood == "withhold":
            return []
        cited = [
            peer.events[parent]
            for event_id in latest
            if (event := peer.events.get(event_id)) is not None
            for parent in event.prev_events
            if parent in peer.events and parent not in peer.withheld
        ]
        return self._some(cited) + self._any(3) if mood == "lie" else cited

    def _some(self, events: Sequence[Event]) -> list[Event]:
        return self.peer.random.sample(list(events), self.peer.random.randint(0, len(events)))

    def _any(self, number: int) -> list[Event]:
        known = list(self.peer.events.values())
        return self.peer.random.sample(known, min(number, len(known)))

    def _rubbish(self) -> Answered:
        body = self.peer.random.choice(
            (b"", b"[]", b"<html>", b"{", b'{"pdus":1}', b'{"pdu_ids":[1],"auth_chain_ids":[]}', b'{"events":[7,null]}',
             b'{"pdus":[[]],"auth_chain":[{}]}', b"[" * 5000, b'{"events":' + b"9" * 5000 + b"}")
        )  # fmt: skip
        return 200, [(b"content-type", b"application/json")], body

    def _keys(self) -> Any:
        return write_key_document(
            server_name=self.peer.name,
            keys=[self.peer.key],
            old_keys={},
            valid_until_ts=self.peer.now_ms() + KEYS_VALID_MS,
        )


async def let_in(play: World, room_id: str, via: str) -> ByzantineApp:
    """There is such a server in a play, and a user of it has joined the room as others do."""
    peer = Byzantine(Random(play.random.random()), play.network.transport(EVIL), EPOCH_MS)
    app = ByzantineApp(peer)
    play.network.apps[EVIL] = app
    play.network.unruly.add(EVIL)
    assert await peer.join(via, room_id, f"@m1:{EVIL}")
    return app


def _asker(headers: Sequence[Header]) -> str:
    """Whom the header names; nobody checks that here."""
    values = [value.decode() for name, value in headers if name == b"authorization"]
    return parse_x_matrix(values[0]).origin if values else ""


def _json(value: Any, status: int = 200) -> Answered:
    return status, [(b"content-type", b"application/json")], orjson.dumps(value)
