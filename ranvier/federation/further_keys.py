"""Keys of servers that are gone, as the servers tell them that share a room with their users.

Spec: server-server API, "Querying Keys Through Another Server". In every great room there are members whose servers do not
answer any more, and of which the trusted notaries may know nothing. Those who were in the room with them have seen their
keys. What they tell is believed only if two of them tell the same, only of members who speak of themselves, and it is
not remembered: it proves nothing anywhere else.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

from ranvier.federation.fetch_keys import KeyFetch, Notary
from ranvier.federation.known_keys import Found
from ranvier.proto.event_receipt import ReceivedEvent
from ranvier.proto.events import Event
from ranvier.proto.ids import domain_of, is_server_name
from ranvier.proto.signing import authorising_server, is_signature, signatures_by

ALIKE: Final = 2
"""So many servers have to tell the same."""
ASKED: Final = 4
MOST_EVENTS: Final = 2_000
"""More are not looked at: who sends so many that nothing proves may be inventing them."""
MOST_SERVERS: Final = 500
BREATH: Final = 16

Key = tuple[str, str, bytes]
"""Server name, key id, public key."""
Agreed = dict[tuple[str, str], list[tuple[bytes, int]]]
"""By server name and key id: keys, and until when each was valid at least."""


def may_be_proven(received: ReceivedEvent) -> bool:
    """Whether an event that is not signed with a key that is known may be proven so."""
    event = received.event
    return (
        event.type == "m.room.member"
        and event.state_key == event.sender
        and authorising_server(event) is None
        and event.version.event_ids != "opaque"
    )


class FurtherKeys:
    """Asks. One a process."""

    def __init__(self, *, fetch: KeyFetch) -> None:
        self._fetch = fetch

    async def proven(self, events: Sequence[ReceivedEvent], servers: Sequence[str]) -> list[Event]:
        """Those of the events that are signed with keys of which two of these servers tell the same."""
        events = events[:MOST_EVENTS]
        wanted = _wanted(events)
        asked = list(dict.fromkeys(servers))[:ASKED]
        if not wanted or len(asked) < ALIKE:
            return []
        told = await asyncio.gather(*(self._fetch.ask(Notary(server, {}), wanted) for server in asked))
        keys = _agreed(told)
        proven: list[Event] = []
        for number, received in enumerate(events, 1):
            if _is_proven(received, keys):
                proven.append(received.event)
            if number % BREATH == 0:
                await asyncio.sleep(0)
        return proven


def _wanted(events: Iterable[ReceivedEvent]) -> dict[str, dict[str, int]]:
    """By server the ids of the keys that have signed, with the time until which they have to be valid."""
    wanted: dict[str, dict[str, int]] = {}
    for received in events:
        server = domain_of(received.event.sender)
        if (server in wanted or len(wanted) < MOST_SERVERS) and is_server_name(server):
            key_ids = wanted.setdefault(server, {})
            key_ids |= dict.fromkeys(signatures_by(received.signatures, server), 0)
    return wanted


def _agreed(told: Iterable[Sequence[Found]]) -> Agreed:
    """The keys that enough servers tell."""
    until: dict[Key, list[int]] = {}
    for found in told:
        of_one: dict[Key, int] = {}
        for each in found:
            document = each.document
            for key_id, public_key in document.verify_keys.items():
                of_one[document.server_name, key_id, public_key] = document.valid_until_ts
            for key_id, old in document.old_verify_keys.items():
                of_one[document.server_name, key_id, old.public_key] = old.expired_ts
        for key, valid_until_ts in of_one.items():
            until.setdefault(key, []).append(valid_until_ts)
    agreed: Agreed = {}
    for (server, key_id, public_key), times in until.items():
        if len(times) >= ALIKE:
            agreed.setdefault((server, key_id), []).append((public_key, sorted(times)[-ALIKE]))
    return agreed


def _is_proven(received: ReceivedEvent, keys: Agreed) -> bool:
    event = received.event
    server = domain_of(event.sender)
    at_ms = event.origin_server_ts if event.version.enforce_key_validity else 0
    return any(
        valid_until_ts >= at_ms and is_signature(received.signed, signature, public_key)
        for key_id, signature in signatures_by(received.signatures, server).items()
        for public_key, valid_until_ts in keys.get((server, key_id), ())
    )
