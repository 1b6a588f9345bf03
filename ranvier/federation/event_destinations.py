"""Which servers an event of a local user goes to.

Spec: server-server API, "Transactions": those in the room after it, and those whom it sends away.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from ranvier.proto.ids import domain_of, is_server_name
from ranvier.rooms.append import Append, MembershipChange
from ranvier.rooms.hosts import Hosts
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.store.events import ACCEPTED, StoredEvent
from ranvier.store.rooms import BAN, INVITE, JOIN, KNOCK, LEAVE

NOBODY: Final = frozenset[str]()


RemoteChanges = Mapping[int, Sequence[MembershipChange]]
"""By room the memberships of users of other servers that have changed in what was committed together."""


class EventDestinations:
    """Finds the servers."""

    def __init__(self, *, rooms: Rooms, hosts: Hosts, server_name: str, allowed: Collection[str] | None = None) -> None:
        """`allowed`: the only servers to send to (`federation_domain_whitelist`); `None`: all."""
        self._rooms = rooms
        self._hosts = hosts
        self._server_name = server_name
        self._allowed = None if allowed is None else frozenset(allowed)

    def is_ours(self, stored: StoredEvent) -> bool:
        """Whether it is for this server to send the event."""
        return stored.status == ACCEPTED and domain_of(stored.event.sender) == self._server_name

    def may_send_to(self, server: str) -> bool:
        """Whether anything may be sent to this server at all."""
        return (
            server != self._server_name
            and is_server_name(server)
            and (self._allowed is None or server in self._allowed)
        )

    def remote_changes(self, batch: Iterable[Append]) -> RemoteChanges:
        """What `known` has to be told about what was committed together."""
        found: defaultdict[int, list[MembershipChange]] = defaultdict(list)
        for append in batch:
            for change in append.members:
                if not change.is_local and change.previous != change.membership:
                    found[append.room.room_nid].append(change)
        return found

    def known(self, room: Room, stored: StoredEvent, changes: Sequence[MembershipChange]) -> frozenset[str] | None:
        """The servers that a newly committed event goes to, this one perhaps among them if there are others.

        `changes` of its room; `None` if it takes a look at the room's states to know.
        """
        hosts = self._hosts.known(room.room_nid)
        for change in changes if hosts else ():
            if change.membership == JOIN and change.stream_pos > stored.stream_pos:
                return None  # Perhaps the server was not in the room yet.
            if _sends_away(change, stored):
                hosts = (hosts or NOBODY) | {domain_of(change.user_id)}
        if hosts is None:
            return None
        has_others = len(hosts) > (self._server_name in hosts)
        return hosts if has_others and _federates(room) else NOBODY

    async def of(self, stored: StoredEvent) -> frozenset[str]:
        """The same for any event of the past."""
        room = await self._rooms.by_nid(stored.room_nid)
        if not _federates(room):
            return NOBODY
        after = stored.state_before if stored.state_after is None else stored.state_after
        hosts = await self._hosts.at(room, after or 0)
        return hosts | await self._sent_away(stored)

    def rooms_told_of(self, server: str) -> set[int]:
        """Rooms that a server may be in although nobody of it is known to have been there."""
        return self._rooms.partials.rooms_told_of(server)

    async def _sent_away(self, stored: StoredEvent) -> frozenset[str]:
        event = stored.event
        if event.type != "m.room.member" or event.membership not in {"leave", "ban"} or stored.replaces is None:
            return NOBODY
        before = (await self._rooms.cache.get([stored.replaces])).get(stored.replaces)
        if before is None or before.event.membership not in {"join", "invite", "knock"}:
            return NOBODY
        return frozenset({domain_of(event.state_key or "")})


def _sends_away(change: MembershipChange, stored: StoredEvent) -> bool:
    """Whether the event goes to a server although that may not be in the room any more."""
    if change.previous == JOIN:
        return stored.stream_pos <= change.stream_pos
    is_over = change.previous in {INVITE, KNOCK} and change.membership in {LEAVE, BAN}
    return is_over and stored.stream_pos == change.stream_pos


def _federates(room: Room) -> bool:
    return room.content("m.room.create").get("m.federate") is not False
