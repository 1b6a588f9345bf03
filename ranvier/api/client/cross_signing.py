"""`/keys/device_signing/upload`, `/keys/signatures/upload`. Spec: client-server API, "Cross-signing"."""

from typing import Any

import msgspec

from ranvier.e2ee.cross_signing import MASTER, SELF_SIGNING, USER_SIGNING, CrossSigning
from ranvier.e2ee.sign_keys import KeySigning
from ranvier.http.request import Request
from ranvier.http.response import EMPTY_OBJECT, Nothing, Response, json_response
from ranvier.http.route import Auth, Route, paths, routes

_UNSTABLE = "/_matrix/client/unstable"


class CrossSigningKeys(msgspec.Struct):
    """The body of `POST /keys/device_signing/upload`."""

    master_key: dict[str, Any] | None = None
    self_signing_key: dict[str, Any] | None = None
    user_signing_key: dict[str, Any] | None = None
    auth: dict[str, Any] | None = None


class SignaturesUploaded(msgspec.Struct):
    """What was not stored, and why, by user and key."""

    failures: dict[str, dict[str, dict[str, str]]]


class CrossSigningApi:
    """Keys of users."""

    def __init__(self, *, cross_signing: CrossSigning, signing: KeySigning) -> None:
        self._cross_signing = cross_signing
        self._signing = signing

    def routes(self) -> list[Route]:
        """The module's routes."""
        return [
            *routes(
                "POST",
                (*paths("/keys/device_signing/upload"), f"{_UNSTABLE}/keys/device_signing/upload"),
                self.upload_keys,
                auth=Auth.USER,
                body=CrossSigningKeys,
                answer=Nothing,
                spec="uploadCrossSigningKeys",
                summary="Publish the user's cross-signing keys",
            ),
            *routes(
                "POST",
                (*paths("/keys/signatures/upload"), f"{_UNSTABLE}/keys/signatures/upload"),
                self.upload_signatures,
                auth=Auth.USER,
                body=dict[str, dict[str, dict[str, Any]]],
                answer=SignaturesUploaded,
                spec="uploadCrossSigningSignatures",
                summary="Publish signatures of keys",
            ),
        ]

    async def upload_keys(self, request: Request) -> Response:
        """Publish the user's cross-signing keys."""
        body = request.json(CrossSigningKeys)
        uploaded = {
            MASTER: body.master_key,
            SELF_SIGNING: body.self_signing_key,
            USER_SIGNING: body.user_signing_key,
        }
        given = {usage: key for usage, key in uploaded.items() if key is not None}
        await self._cross_signing.upload(request.requester, given, body.auth)
        return EMPTY_OBJECT

    async def upload_signatures(self, request: Request) -> Response:
        """Publish signatures of keys."""
        body = request.json(dict[str, dict[str, dict[str, Any]]])
        return json_response(SignaturesUploaded(await self._signing.upload(request.requester, body)))
