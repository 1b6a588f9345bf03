"""`/_synapse/admin/v1/send_server_notice`. Manual: admin API, "Server Notices"."""

from typing import Any, Final

import msgspec

from ranvier.http.request import Request
from ranvier.http.response import Response, json_response
from ranvier.http.route import Auth, Route, routes
from ranvier.proto.errors import MatrixError, invalid_param
from ranvier.rooms.server_notices import ServerNotices
from ranvier.rooms.transactions import Transactions
from ranvier.rooms.write import TxnRow
from ranvier.users.administration import Administration

SEND: Final = "/_synapse/admin/v1/send_server_notice"


class NoticeToSend(msgspec.Struct):
    """Whom to tell what; with a `state_key` as state of their room."""

    user_id: str
    content: dict[str, Any]
    type: str = "m.room.message"
    state_key: str | None = None


class SentNotice(msgspec.Struct):
    """The event that the user sees."""

    event_id: str


class ServerNoticesApi:
    """Sends a notice to one user."""

    def __init__(
        self, *, notices: ServerNotices | None, administration: Administration, transactions: Transactions
    ) -> None:
        """`notices` is `None` where the configuration has no `server_notices`."""
        self._notices = notices
        self._administration = administration
        self._transactions = transactions

    def routes(self) -> list[Route]:
        """The module's routes."""
        return [
            *routes("POST", SEND, self.post, auth=Auth.ADMIN, body=NoticeToSend, answer=SentNotice,
                summary="Send a user a notice of the server"),
            *routes("PUT", SEND + "/{txn_id}", self.put, auth=Auth.ADMIN, body=NoticeToSend, answer=SentNotice,
                summary="The same, once however often it is asked for"),
        ]  # fmt: skip

    async def post(self, request: Request) -> Response:
        """400 where notices are not configured and for users of other servers, 404 for users that there are not."""
        return json_response(SentNotice(await self._send(request.json(NoticeToSend), None)))

    async def put(self, request: Request) -> Response:
        """A repetition by the same device gets the same answer."""
        notice, admin = request.json(NoticeToSend), request.requester
        event_id = await self._transactions.once(
            admin.user_id,
            admin.device_id or "",
            "send_server_notice",
            request.params["txn_id"],
            lambda row: self._send(notice, row),
        )
        return json_response(SentNotice(event_id))

    async def _send(self, notice: NoticeToSend, txn: TxnRow | None) -> str:
        if self._notices is None:
            raise MatrixError(
                400, "M_UNKNOWN", "Server notices are not enabled: the configuration has no server_notices"
            )
        user = await self._administration.get(notice.user_id)
        if user.deactivated:
            raise invalid_param("The account of this user has been deactivated")
        return await self._notices.send(user.user_id, notice.type, notice.content, state_key=notice.state_key, txn=txn)
