"""What the server has to say to a user, as events of a room that they share with it.

Spec: client-server API, "Server Notices". Configuration: `server_notices`.
"""

import logging
from typing import Any

from ranvier.config.notice_sections import ServerNoticesConfig
from ranvier.proto.errors import MatrixError, invalid_param
from ranvier.rooms.membership import Memberships
from ranvier.rooms.notice_rooms import NoticeRooms
from ranvier.rooms.rooms import Rooms
from ranvier.rooms.write import Draft, TxnRow, Writer
from ranvier.users.create_account import Accounts, NewAccount
from ranvier.users.profiles import Profiles
from ranvier.users.requester import Requester
from ranvier.users.text import is_storable

logger = logging.getLogger(__name__)


class ServerNotices:
    """Sends notices; `begin` comes before everything else."""

    def __init__(
        self,
        *,
        config: ServerNoticesConfig,
        sender: str,
        rooms: Rooms,
        writer: Writer,
        notice_rooms: NoticeRooms,
        memberships: Memberships,
        accounts: Accounts,
        profiles: Profiles,
    ) -> None:
        self._config = config
        self.sender = sender
        """Who sends them."""
        self._rooms = rooms
        self._writer = writer
        self._notice_rooms = notice_rooms
        self._memberships = memberships
        self._accounts = accounts
        self._profiles = profiles

    async def begin(self) -> None:
        """The sender has an account, so that nobody else gets it, and the profile that the configuration says."""
        config = self._config
        account = NewAccount(user_id=self.sender, displayname=config.display_name)
        await self._accounts.create_if_missing(account)
        profile = await self._profiles.of(self.sender)
        itself = Requester(self.sender, None, None, is_admin=True)
        for key, value in (("displayname", config.display_name), ("avatar_url", config.avatar_url or "")):
            if profile.get(key, "") != value:
                # Rooms follow with their next notice: there may be as many as there are users.
                await self._profiles.set(itself, self.sender, key, value)

    async def send(
        self,
        user_id: str,
        type: str,
        content: dict[str, Any],
        *,
        state_key: str | None = None,
        txn: TxnRow | None = None,
    ) -> str:
        """Tell a local user something, in their room; the event id.

        The caller has made sure that there is such a user. Raises 400 for what is no event, 403 for an event that the
        rules of rooms forbid, 413.
        """
        if not is_storable(type) or not is_storable(state_key or ""):
            raise invalid_param("Event types and state keys cannot hold NUL characters")
        if type == "m.room.redaction":
            raise invalid_param("A notice cannot be a redaction")
        if user_id == self.sender:
            raise invalid_param("The sender of server notices cannot be sent any")
        room_id = await self._notice_rooms.of(user_id)
        if self._config.auto_join:
            await self._bring(user_id, room_id)
        draft = Draft(sender=self.sender, type=type, content=content, state_key=state_key)
        return (await self._writer.write(room_id, [draft], txn=txn))[-1].event.event_id

    async def room_of(self, user_id: str) -> str | None:
        """The room of a user's notices, if there is one."""
        return await self._notice_rooms.find(user_id)

    async def _bring(self, user_id: str, room_id: str) -> None:
        """Let the user be in the room; an invitation stands in any case."""
        try:
            await self._memberships.join(Requester(user_id, None, None), room_id)
        except MatrixError as error:
            logger.warning("%s could not be brought into the room of their notices: %s", user_id, error)
