"""How often a user may join rooms and invite others. Configuration: `rc_joins`, `rc_joins_per_room`, `rc_invites`."""

from collections.abc import Mapping, Sequence

from ranvier.ratelimit import RateLimiter
from ranvier.users.requester import Requester


class MembershipLimits:
    """Counts joins and invitations, whichever endpoint they come by. Each method raises 429 `M_LIMIT_EXCEEDED`."""

    def __init__(self, *, limiters: Mapping[str, RateLimiter]) -> None:
        self._joins = limiters["rc_joins.local"]
        self._joins_per_room = limiters["rc_joins_per_room"]
        self._invites_per_room = limiters["rc_invites.per_room"]
        self._invites_per_user = limiters["rc_invites.per_user"]
        self._invites_per_issuer = limiters["rc_invites.per_issuer"]
        self._third_party_invites = limiters["rc_third_party_invite"]

    def spend_join(self, requester: Requester, room_id: str) -> None:
        """One join."""
        self._joins.spend(requester.user_id)
        self._joins_per_room.spend(room_id)

    def spend_invite(self, requester: Requester, room_id: str, target: str) -> None:
        """One invitation into a room."""
        self._invites_per_room.spend(room_id)
        self._invites_per_user.spend(target)
        self._invites_per_issuer.spend(requester.user_id)

    def spend_third_party_invite(self, requester: Requester) -> None:
        """One invitation by e-mail address or the like."""
        self._third_party_invites.spend(requester.user_id)

    def spend_first_invites(self, requester: Requester, targets: Sequence[str]) -> None:
        """The invitations into a room that is being created."""
        if not targets:
            return
        # The room has no id yet; this many at once are too many or they are not.
        room = f"new room of {requester.user_id}"
        self._invites_per_room.spend(room, cost=len(targets))
        self._invites_per_room.forget(room)
        self._invites_per_issuer.spend(requester.user_id, cost=len(targets))
        for target in targets:
            self._invites_per_user.spend(target)

    def spend_change(self, requester: Requester, room_id: str, target: str, membership: object) -> None:
        """A member event that was written as state."""
        if membership == "join":
            self.spend_join(requester, room_id)
        elif membership == "invite":
            self.spend_invite(requester, room_id, target)
