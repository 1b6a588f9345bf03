"""Rooms that everybody who gets an account is brought into, made for the first of them if they are not there.

Configuration: `auto_join_rooms` and the options beside it. An account is there whatever becomes of the rooms.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from ranvier.config.room_sections import AutoJoinConfig
from ranvier.proto.errors import MatrixError
from ranvier.proto.ids import domain_of, localpart_of
from ranvier.rooms.create import RoomRequest
from ranvier.users.create_account import NewAccount
from ranvier.users.requester import Requester

logger = logging.getLogger(__name__)

_NOT_BROUGHT = frozenset({"bot", "support"})
"""Kinds of accounts that belong to no person."""


class EnteringRooms(Protocol):
    """Lets users of this server into rooms."""

    async def resolve(self, room_id_or_alias: str) -> tuple[str, list[str]]:
        """The room id, and servers that know the room. Raises 404."""
        ...

    async def join(self, requester: Requester, room_id: str, *, reason: str | None = None, via: list[str]) -> str:
        """Join."""
        ...

    async def invite(self, requester: Requester, room_id: str, target: str) -> None:
        """Invite."""
        ...


class AutoJoin:
    """Brings new users into rooms."""

    def __init__(
        self,
        *,
        config: AutoJoinConfig,
        server_name: str,
        create: Callable[[Requester, RoomRequest], Awaitable[str]],
        entering: EnteringRooms,
    ) -> None:
        self._config = config
        self._server_name = server_name
        self._create = create
        self._entering = entering

    async def welcome(self, account: NewAccount) -> None:
        """An account has been made."""
        config = self._config
        if not config.rooms or account.user_type in _NOT_BROUGHT or account.appservice_id is not None:
            return
        if account.is_guest and not config.for_guests:
            return
        for alias in config.rooms:
            try:
                await self._bring(account, alias)
            except MatrixError as error:
                logger.warning("%s could not be brought into %s: %s", account.user_id, alias, error)

    async def _bring(self, account: NewAccount, alias: str) -> None:
        user = Requester(account.user_id, None, None, is_guest=account.is_guest)
        try:
            room_id, servers = await self._entering.resolve(alias)
        except MatrixError as error:
            is_ours = domain_of(alias) == self._server_name
            if error.status != 404 or not is_ours or not self._config.autocreate or account.is_guest:
                raise
            room_id, servers = await self._make(user, alias), []
        host = self._host
        if host is not None and self._config.preset != "public_chat" and host.user_id != user.user_id:
            try:
                await self._entering.invite(host, room_id, user.user_id)
            except MatrixError as error:
                logger.info("%s does not invite %s to %s: %s", host.user_id, user.user_id, alias, error)
        await self._entering.join(user, room_id, via=servers)

    async def _make(self, user: Requester, alias: str) -> str:
        """The room, made by the configured user or by the first who comes."""
        request = RoomRequest(
            preset=self._config.preset,
            room_alias_name=localpart_of(alias),
            creation_content={} if self._config.federated else {"m.federate": False},
        )
        try:
            return await self._create(self._host or user, request)
        except MatrixError as error:
            if error.errcode != "M_ROOM_IN_USE":
                raise
            # Somebody else has come at the same time, and was faster.
            return (await self._entering.resolve(alias))[0]

    @property
    def _host(self) -> Requester | None:
        localpart = self._config.host_localpart
        return None if localpart is None else Requester(f"@{localpart}:{self._server_name}", None, None)
