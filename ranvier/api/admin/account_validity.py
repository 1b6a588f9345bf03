"""`/_synapse/admin/v1/account_validity/validity`. Manual: admin API, "Account validity API"."""

from typing import Annotated

import msgspec
from msgspec import Meta

from ranvier.http.request import Request
from ranvier.http.response import Response, json_response
from ranvier.http.route import Auth, Route, routes
from ranvier.proto.errors import forbidden
from ranvier.users.account_validity import AccountValidity


class Renewal(msgspec.Struct):
    """Whose account is good until when."""

    user_id: str
    expiration_ts: Annotated[int, Meta(ge=0, le=(1 << 53) - 1)] | None = None
    enable_renewal_emails: bool = True


class Renewed(msgspec.Struct):
    """When it ends."""

    expiration_ts: int


class AdminAccountValidityApi:
    """`validity` is `None` where accounts do not end."""

    def __init__(self, *, validity: AccountValidity | None) -> None:
        self._validity = validity

    def routes(self) -> list[Route]:
        """The module's routes."""
        return routes(
            "POST", "/_synapse/admin/v1/account_validity/validity", self.renew, auth=Auth.ADMIN, body=Renewal,
            answer=Renewed, summary="Renew an account that would end",
        )  # fmt: skip

    async def renew(self, request: Request) -> Response:
        """Raises 403 `M_FORBIDDEN` where accounts do not end, 404 `M_NOT_FOUND`."""
        wanted = request.json(Renewal)
        if self._validity is None:
            raise forbidden("Accounts do not end here: account_validity is not enabled")
        ends = await self._validity.renew_by_admin(
            wanted.user_id, wanted.expiration_ts, mails=wanted.enable_renewal_emails
        )
        return json_response(Renewed(ends))
