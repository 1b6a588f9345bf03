"""`/_synapse/admin/v2/users/{user_id}`: one account, read, made, changed. Manual: admin API, "Query / Create or modify"."""

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from ranvier.http.request import Request
from ranvier.http.response import Response, json_response
from ranvier.http.route import Auth, Route, routes
from ranvier.proto.errors import MatrixError, invalid_param
from ranvier.store.users import UserRow
from ranvier.users.administration import AccountDetails, Administration
from ranvier.users.requester import Requester

USER: Final = "/_synapse/admin/v2/users/{user_id}"


class Threepid(msgspec.Struct):
    """An address or number of the account."""

    medium: str
    address: str
    added_at: int = 0
    validated_at: int = 0


class ExternalId(msgspec.Struct):
    """Who the user is at an identity provider."""

    auth_provider: str
    external_id: str


class Account(msgspec.Struct):
    """One account."""

    name: str
    displayname: str | None
    threepids: list[Threepid]
    avatar_url: str | None
    is_guest: bool
    admin: bool
    deactivated: bool
    erased: bool
    shadow_banned: bool
    creation_ts: int
    last_seen_ts: int | None
    appservice_id: str | None
    consent_server_notice_sent: str | None
    consent_version: str | None
    consent_ts: int | None
    external_ids: list[ExternalId]
    user_type: str | None
    locked: bool
    suspended: bool


class AccountChange(msgspec.Struct):
    """What the account is to be; what is absent stays, or is as for new accounts."""

    password: str | None = None
    logout_devices: bool = True
    displayname: str | None = None
    threepids: list[Threepid] | None = None
    external_ids: list[ExternalId] | None = None
    avatar_url: str | None = None
    admin: bool | None = None
    deactivated: bool | None = None
    locked: bool | None = None
    user_type: str | UnsetType | None = UNSET


class UserAccountApi:
    """`leave_rooms(user_id)` makes a user leave every room."""

    def __init__(self, *, administration: Administration, leave_rooms: Callable[[str], Awaitable[None]]) -> None:
        self._administration = administration
        self._leave_rooms = leave_rooms

    def routes(self) -> list[Route]:
        """The module's routes."""
        return [
            *routes("GET", USER, self.get, auth=Auth.ADMIN, answer=Account, summary="One account"),
            *routes("PUT", USER, self.put, auth=Auth.ADMIN, body=AccountChange, answer=Account,
                summary="Make an account (201), or change one"),
        ]  # fmt: skip

    async def get(self, request: Request) -> Response:
        """404 if there is no such account."""
        return json_response(_shown(await self._administration.details(request.params["user_id"])))

    async def put(self, request: Request) -> Response:
        """Everything is checked before anything is changed, as far as it can be."""
        user_id, wanted = request.params["user_id"], request.json(AccountChange)
        user = await self._administration.find(user_id)
        if user is None:
            await self._create(user_id, wanted)
        else:
            await self._change(request.requester, user, wanted)
        await self._set_details(request.requester, user_id, wanted, is_new=user is None)
        details = await self._administration.details(user_id)
        return json_response(_shown(details), status=201 if user is None else 200)

    async def _create(self, user_id: str, wanted: AccountChange) -> None:
        if wanted.deactivated:
            raise invalid_param("An account cannot be made deactivated")
        await self._administration.create(
            user_id,
            wanted.password,
            wanted.displayname,
            is_admin=bool(wanted.admin),
            user_type=None if wanted.user_type is UNSET else wanted.user_type,
        )

    async def _change(self, requester: Requester, user: UserRow, wanted: AccountChange) -> None:
        changes, user_id = self._administration.changes, user.user_id
        if wanted.admin is False and user_id == requester.user_id:
            raise MatrixError(400, "M_UNKNOWN", "You may not demote yourself")
        if wanted.deactivated and wanted.password is not None:
            raise invalid_param("An account that is deactivated has no password")
        if wanted.deactivated and wanted.locked:
            raise invalid_param("An account that is deactivated cannot be locked")
        if wanted.user_type is not UNSET:
            self._administration.accounts.check_user_type(wanted.user_type)
        if wanted.deactivated is False and user.deactivated:
            await changes.reactivate(user_id, wanted.password)
        elif wanted.password is not None:
            await changes.set_password(user_id, wanted.password, logout_devices=wanted.logout_devices)
        if wanted.admin is not None and wanted.admin is not user.is_admin:
            await changes.set_flag(user_id, "admin", value=wanted.admin)
        if wanted.user_type is not UNSET:
            await self._administration.set_user_type(user_id, wanted.user_type)

    async def _set_details(self, requester: Requester, user_id: str, wanted: AccountChange, *, is_new: bool) -> None:
        administration = self._administration
        if wanted.displayname is not None and not is_new:
            await administration.set_profile(requester, user_id, "displayname", wanted.displayname)
        if wanted.avatar_url is not None:
            await administration.set_profile(requester, user_id, "avatar_url", wanted.avatar_url)
        threepids, external_ids = wanted.threepids, wanted.external_ids
        if threepids is not None or external_ids is not None:
            await administration.set_identities(
                user_id,
                threepids=None if threepids is None else [(one.medium, one.address) for one in threepids],
                external_ids=None
                if external_ids is None
                else [(one.auth_provider, one.external_id) for one in external_ids],
            )
        if wanted.locked is not None:
            await administration.changes.set_flag(user_id, "locked", value=wanted.locked)
        if wanted.deactivated and not is_new:
            await administration.changes.deactivate(user_id, erase=False)
            await self._leave_rooms(user_id)


def _shown(details: AccountDetails) -> Account:
    user = details.user
    return Account(
        name=user.user_id,
        displayname=details.displayname,
        threepids=[
            Threepid(row.medium, row.address, added_at=row.added_at, validated_at=row.validated_at)
            for row in details.threepids
        ],
        avatar_url=details.avatar_url,
        is_guest=user.is_guest,
        admin=user.is_admin,
        deactivated=user.deactivated,
        erased=user.erased,
        shadow_banned=user.shadow_banned,
        creation_ts=user.creation_ts,
        last_seen_ts=details.last_seen_ts,
        appservice_id=user.appservice_id,
        consent_server_notice_sent=details.consent_server_notice_sent,
        consent_version=details.consent_version,
        consent_ts=details.consent_ts,
        external_ids=[ExternalId(provider, external_id) for provider, external_id in details.external_ids],
        user_type=user.user_type,
        locked=user.locked,
        suspended=user.suspended,
    )
