"""What other servers send us. Spec: server-server API, "Transactions"."""

from typing import Any, Final

import msgspec

from ranvier.federation.receive import Receiving
from ranvier.http.request import Request
from ranvier.http.response import Response, json_response
from ranvier.http.route import Auth, Route, routes

LIMIT_BYTES: Final = 12 << 20
"""Fifty events of the greatest size, and a hundred EDUs that are as large."""


class Transaction(msgspec.Struct, kw_only=True):
    """The body. `pdus` are looked at when their room is known; what is malformed in it spoils nothing else."""

    origin: str = ""
    origin_server_ts: int = 0
    pdus: list[msgspec.Raw] = []
    edus: list[msgspec.Raw] = []


class PduResult(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What became of an event."""

    error: str | None = None


class TransactionAnswer(msgspec.Struct, kw_only=True):
    """The answer."""

    pdus: dict[str, PduResult]


class TransactionsApi:
    """`PUT /_matrix/federation/v1/send/{txnId}`."""

    def __init__(self, *, receiving: Receiving) -> None:
        self._receiving = receiving

    def routes(self) -> list[Route]:
        """The route."""
        return routes(
            "PUT",
            "/_matrix/federation/v1/send/{txnId}",
            self.send,
            auth=Auth.FEDERATION,
            resource="federation",
            body=Transaction,
            answer=TransactionAnswer,
            body_limit_bytes=LIMIT_BYTES,
            spec="sendTransaction",
            summary="Take in events and EDUs",
        )

    async def send(self, request: Request) -> Response:
        """Take in a transaction."""
        transaction = request.json(Transaction)
        edus = [edu for raw in transaction.edus if (edu := _object(raw)) is not None]
        results = await self._receiving.transaction(
            request.origin, request.params["txnId"], [bytes(pdu) for pdu in transaction.pdus], edus
        )
        return json_response({"pdus": results})


def _object(raw: msgspec.Raw) -> dict[str, Any] | None:
    value = msgspec.json.decode(raw)
    return value if isinstance(value, dict) else None
