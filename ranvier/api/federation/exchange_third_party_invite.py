"""Invitations by e-mail address and the like. Spec: server-server API, "Third-party invites"."""

from typing import Any

import msgspec

from ranvier.federation.third_party_invite import PendingInvite, ThirdPartyInvites
from ranvier.http.request import Request
from ranvier.http.response import EMPTY_OBJECT, Response
from ranvier.http.route import Auth, Route, routes


class Pending(msgspec.Struct):
    """One invitation that has waited."""

    room_id: str
    sender: str
    signed: dict[str, Any]


class Bound(msgspec.Struct):
    """What an identity server tells when an address has been bound."""

    mxid: str
    invites: list[Pending]


class ThirdPartyInviteApi:
    """The endpoints of the inviting and of the invited user's server."""

    def __init__(self, *, invites: ThirdPartyInvites) -> None:
        self._invites = invites

    def routes(self) -> list[Route]:
        """The module's routes."""
        return [
            *routes(
                "PUT", "/_matrix/federation/v1/exchange_third_party_invite/{room_id}", self.exchange,
                auth=Auth.FEDERATION, resource="federation", spec="exchangeThirdPartyInvite",
                summary="Turn a third-party invite into an invitation",
            ),
            *routes(
                "PUT", "/_matrix/federation/v1/3pid/onbind", self.bound, auth=Auth.NONE, resource="federation",
                limit="rc_third_party_invite", body=Bound, spec="onBindThirdPartyIdentifier",
                summary="Tell that an address has been bound",
            ),
        ]  # fmt: skip

    async def exchange(self, request: Request) -> Response:
        """Turn a third-party invite into an invitation."""
        await self._invites.exchange(request.origin, request.params["room_id"], request.json_object())
        return EMPTY_OBJECT

    async def bound(self, request: Request) -> Response:
        """An address has been bound to a user of this server."""
        body = request.json(Bound)
        pending = [PendingInvite(room_id=one.room_id, sender=one.sender, signed=one.signed) for one in body.invites]
        await self._invites.bound(body.mxid, pending)
        return EMPTY_OBJECT
