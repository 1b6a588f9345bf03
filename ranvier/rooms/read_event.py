"""Reading one event.

Spec: client-server API, `GET /rooms/{roomId}/event/{eventId}`.
"""

from ranvier.proto.errors import MatrixError
from ranvier.rooms.history import History, event_not_found
from ranvier.rooms.messages import Messages
from ranvier.rooms.rooms import Rooms
from ranvier.users.requester import Requester


class EventReading:
    """Reads single events."""

    def __init__(self, *, rooms: Rooms, history: History, messages: Messages) -> None:
        self._rooms = rooms
        self._history = history
        self._messages = messages

    async def read(self, requester: Requester, room_id: str, event_id: str) -> bytes:
        """The event as JSON. Raises 404 `M_NOT_FOUND` whatever the reason that it is not shown."""
        try:
            viewer = await self._history.viewer(requester.user_id, room_id)
        except MatrixError as error:
            raise event_not_found() from error
        event = (await self._rooms.cache.by_id([event_id])).get(event_id)
        event = await self._history.require(viewer, event)
        (encoded,) = await self._messages.serve(requester, viewer, [event])
        return encoded

    async def read_anywhere(self, requester: Requester, event_id: str) -> bytes:
        """The event as JSON, whatever room it is in. Raises 404 `M_NOT_FOUND`."""
        event = (await self._rooms.cache.by_id([event_id])).get(event_id)
        if event is None:
            raise event_not_found()
        return await self.read(requester, event.event.room_id, event_id)
