"""Events as one user's device sees them: the shared bytes, with an `unsigned` of its own.

Spec: client-server API, "Room event format", "Aggregations of child events". What makes up an `unsigned` is in
`rooms.unsigned`; here is found what it needs.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from ranvier.ports import Clock
from ranvier.proto.errors import MatrixError
from ranvier.rooms.aggregations import Aggregations, bundle_of, shown_children
from ranvier.rooms.children import Groups
from ranvier.rooms.erased_users import ErasedUsers
from ranvier.rooms.history import History, Viewer
from ranvier.rooms.rooms import Rooms
from ranvier.rooms.unsigned import MembershipAt, Surroundings, served_event
from ranvier.store import event_txns
from ranvier.store.events import StoredEvent

JUDGED: Final = 100
"""Of how many replaced state events it is found out one by one whether the asker may see them, where not all may."""


class Serving:
    """Adds what depends on the asker and on now."""

    def __init__(
        self, *, rooms: Rooms, clock: Clock, history: History, aggregations: Aggregations, erased: ErasedUsers
    ) -> None:
        self._rooms = rooms
        self._clock = clock
        self._history = history
        self._aggregations = aggregations
        self._erased = erased

    async def serve(
        self,
        events: Sequence[StoredEvent],
        *,
        user_id: str,
        device_id: str | None,
        room_id: bool,
        membership: MembershipAt = None,
    ) -> list[bytes]:
        """Each event as JSON.

        No statement if the events they refer to are in memory; else at most one for these, one for relations, and one
        for the requests that made them.
        """
        events = await self._erased.shown_to(user_id, events)
        surroundings = Surroundings(room_id=room_id, now_ms=self._clock.now_ms(), membership=membership)
        viewers = await self._viewers(events, user_id)
        groups = await self._groups(events, viewers)
        related = await self._related(events, groups, user_id)
        visible = await self._visible(viewers.values(), events, related, groups)
        shown = events
        if groups:
            shown = [*events, *(related[nid] for nid in shown_children(groups) if nid in visible)]
            bundles = {
                stored.event_nid: bundle_of(stored, groups, user_id=user_id, visible=visible) for stored in shown
            }
            surroundings = replace(surroundings, bundles=bundles)
        txn_ids = await self._txn_ids(shown, user_id, device_id) if device_id else {}
        surroundings = replace(surroundings, related=related, visible=visible, txn_ids=txn_ids)
        return [served_event(stored, surroundings) for stored in events]

    async def serve_shared(self, events: Sequence[StoredEvent]) -> list[bytes]:
        """Each event without `room_id`, with nothing that depends on the asker or on now: no aggregations either."""
        related = await self._related(events, {}, None)
        viewers = {}
        for room_nid in {stored.room_nid for stored in events if stored.replaces in related}:
            room = await self._rooms.by_nid(room_nid)
            viewers[room_nid] = Viewer(room=room, user_id="", joined=True, left_at=None)
        visible = await self._visible(viewers.values(), events, related, {})
        surroundings = Surroundings(room_id=False, now_ms=None, related=related, visible=visible)
        return [served_event(stored, surroundings) for stored in events]

    async def are_alike(self, events: Sequence[StoredEvent]) -> bool:
        """Whether these are shown alike to everybody who may see them, but for transaction ids, which are known."""
        if any(
            stored.replaces is not None or stored.redacted_by is not None or stored.txn is None for stored in events
        ):
            return False
        return not await self.has_aggregations(events)

    def serve_alike(self, events: Sequence[StoredEvent], *, membership: str) -> tuple[int, list[bytes]]:
        """Events that are alike for everybody, without transaction ids, and at what time they have this `age`."""
        now_ms = self._clock.now_ms()
        surroundings = Surroundings(room_id=False, now_ms=now_ms, membership=membership)
        return now_ms, [served_event(stored, surroundings) for stored in events]

    def age_ms(self, since_ms: int) -> int:
        """How long ago a moment was."""
        return self._clock.now_ms() - since_ms

    async def has_aggregations(self, events: Sequence[StoredEvent]) -> bool:
        """Whether `serve` shows these events otherwise than `serve_shared` does. At most one statement, mostly none."""
        return self._erased.any_of(events) or await self._aggregations.any_of(events)

    async def _viewers(self, events: Sequence[StoredEvent], user_id: str) -> dict[int, Viewer]:
        """The asker in each room in which what they may see has to be known; only where they may see anything."""
        viewers = {}
        wanted = {
            stored.room_nid for stored in events if stored.replaces is not None or self._aggregations.may_have(stored)
        }
        for room_nid in wanted:
            room = await self._rooms.by_nid(room_nid)
            try:
                viewers[room_nid] = await self._history.viewer(user_id, room.room_id)
            except MatrixError:
                continue
        return viewers

    async def _groups(self, events: Sequence[StoredEvent], viewers: Mapping[int, Viewer]) -> Groups:
        found: Groups = {}
        for room_nid, viewer in viewers.items():
            of_room = [stored for stored in events if stored.room_nid == room_nid]
            found = {**found, **await self._aggregations.groups(viewer, of_room)}
        return found

    async def _related(
        self, events: Sequence[StoredEvent], groups: Groups, user_id: str | None
    ) -> Mapping[int, StoredEvent]:
        nids = {nid for stored in events for nid in (stored.replaces, stored.redacted_by) if nid is not None}
        nids |= shown_children(groups)
        if not nids:
            return {}
        found = await self._rooms.cache.get(nids)
        if user_id is None or not self._erased.any_of([*found.values()]):
            return found
        return {stored.event_nid: stored for stored in await self._erased.shown_to(user_id, [*found.values()])}

    async def _visible(
        self,
        viewers: Iterable[Viewer],
        events: Sequence[StoredEvent],
        related: Mapping[int, StoredEvent],
        groups: Groups,
    ) -> set[int]:
        """Which of the related events whose content would be shown the asker may see."""
        nids = {stored.replaces for stored in events if stored.replaces is not None} | shown_children(groups)
        visible: set[int] = set()
        for viewer in viewers:
            shown = [related[nid] for nid in nids if nid in related and related[nid].room_nid == viewer.room.room_nid]
            if len(shown) > JUDGED and not await self._history.all_open(viewer, shown):
                shown = shown[:JUDGED]
            visible.update(stored.event_nid for stored in await self._history.visible(viewer, shown))
        return visible

    async def _txn_ids(self, events: Sequence[StoredEvent], user_id: str, device_id: str) -> Mapping[int, str]:
        """Transaction ids of this device's own events; those that memory does not know are looked up."""
        found: dict[int, str] = {}
        unknown = []
        for stored in events:
            if stored.event.sender != user_id or stored.event.state_key is not None:
                continue
            if stored.txn is None:
                unknown.append(stored.event_nid)
            elif stored.txn.device_id == device_id:
                found[stored.event_nid] = stored.txn.txn_id
        if unknown:
            user_nid = await self._rooms.keys.find_user(self._rooms.db, user_id)
            if user_nid is not None:
                found |= await event_txns.txn_ids(self._rooms.db, unknown, user_nid, device_id)
        return found
