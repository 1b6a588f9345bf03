"""Who has not agreed to the server's policy reads and leaves, and says nothing.

Spec: client-server API, "Common error codes" (`M_CONSENT_NOT_GIVEN`). Configuration: `user_consent.block_events_error`.
"""

from ranvier.rooms.leave_rules import LeaveRules
from ranvier.rooms.rooms import Rooms
from ranvier.users.consent import Consent
from ranvier.users.requester import Requester


class ConsentRules:
    """Judges what users do in rooms."""

    def __init__(self, *, consent: Consent, rooms: Rooms, leave_rules: LeaveRules) -> None:
        self._consent = consent
        self._rooms = rooms
        self._leave_rules = leave_rules

    async def check(self, requester: Requester, room_id: str | None) -> None:
        """Raises 403 `M_CONSENT_NOT_GIVEN` with `consent_uri` for who has to agree first.

        Not in the room where the server asks them to: `room_id` is where they do something, as far as that has a place.
        """
        if requester.appservice_id is not None or not await self._consent.has_to_agree(requester.user_id):
            return
        room = None if room_id is None else await self._rooms.find(room_id)
        if room is None or not self._leave_rules.is_notices_room(room):
            raise self._consent.refusal(requester.user_id)
