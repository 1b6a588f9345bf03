"""The content of member events: the membership and the user's profile at that moment."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ranvier.proto.ids import domain_of


class MemberContent:
    """`profile_of(user_id)` gives a local user's `displayname` and `avatar_url`, those that are set."""

    def __init__(self, *, profile_of: Callable[[str], Awaitable[Mapping[str, Any]]], server_name: str) -> None:
        self._profile_of = profile_of
        self._server_name = server_name

    async def of(self, user_id: str, membership: str, *, reason: str | None = None) -> dict[str, Any]:
        """Content of the spec's shape; without a profile for remote users."""
        content: dict[str, Any] = {"membership": membership}
        if reason is not None:
            content["reason"] = reason
        if membership in ("join", "invite", "knock") and domain_of(user_id) == self._server_name:
            profile = await self._profile_of(user_id)
            for key in ("displayname", "avatar_url"):
                if isinstance(profile.get(key), str):
                    content[key] = profile[key]
        return content
