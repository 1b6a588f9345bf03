"""Who does not want to be invited. Spec: client-server API, "Invite permission"."""

from typing import Any, Final

import msgspec

from ranvier.users.account_data import AccountData

TYPE: Final = "m.invite_permission_config"


class InvitePermission:
    """Reads what users have set in their account data."""

    def __init__(self, *, account_data: AccountData) -> None:
        self._account_data = account_data

    async def blocks(self, user_id: str) -> bool:
        """Whether a local user wants no invitations at all. One statement."""
        content = await self._account_data.content(user_id, None, TYPE)
        if content is None:
            return False
        found: Any = msgspec.json.decode(content)
        return isinstance(found, dict) and found.get("default_action") == "block"
