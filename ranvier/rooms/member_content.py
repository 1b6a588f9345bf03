"""The content of member events: the membership and the user's profile at that moment."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ranvier.proto.ids import domain_of
from ranvier.users.profiles import AnyAvatar, Avatars


class MemberContent:
    """`profile_of(user_id)` gives a local user's `displayname` and `avatar_url`, those that are set."""

    def __init__(
        self,
        *,
        profile_of: Callable[[str], Awaitable[Mapping[str, Any]]],
        server_name: str,
        in_invites: bool = True,
        may_differ: bool = True,
    ) -> None:
        """Configuration: `include_profile_data_on_invite` (`in_invites`), `allow_per_room_profiles` (`may_differ`)."""
        self._profile_of = profile_of
        self._server_name = server_name
        self._with_profile = frozenset({"join", "knock", *(["invite"] if in_invites else [])})
        self._may_differ = may_differ
        self.avatars: Avatars = AnyAvatar()

    async def of(self, user_id: str, membership: str, *, reason: str | None = None) -> dict[str, Any]:
        """Content of the spec's shape; without a profile for remote users."""
        content: dict[str, Any] = {"membership": membership}
        if reason is not None:
            content["reason"] = reason
        if membership in self._with_profile and domain_of(user_id) == self._server_name:
            profile = await self._profile_of(user_id)
            for key in ("displayname", "avatar_url"):
                if isinstance(profile.get(key), str):
                    content[key] = profile[key]
        return content

    async def hold_to_profile(self, user_id: str, content: dict[str, Any]) -> None:
        """Where rooms may know nobody by another name: what users say of themselves in a room is what they say to all.

        Elsewhere another avatar than theirs must be one that they could have. Raises 403 `M_FORBIDDEN`.
        """
        if content.get("membership") not in ("join", "knock"):
            return
        own = await self.of(user_id, "join")
        if self._may_differ:
            avatar = content.get("avatar_url")
            if isinstance(avatar, str) and avatar and avatar != own.get("avatar_url"):
                await self.avatars.check(avatar)
            return
        for key in ("displayname", "avatar_url"):
            content.pop(key, None)
            if key in own:
                content[key] = own[key]
