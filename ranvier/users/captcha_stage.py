"""Showing that one is human. Spec: client-server API, "Google ReCaptcha". Configuration: `recaptcha_*`."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import orjson

from ranvier.config.proof_sections import CaptchaConfig
from ranvier.ports import FederationUnreachable, ServiceTransport
from ranvier.proto.errors import MatrixError
from ranvier.users.interactive_auth import AuthSession

_MAX_LENGTH = 8192


class CaptchaStage:
    """Asks who has put the puzzle whether it was solved."""

    def __init__(self, *, config: CaptchaConfig, transport: ServiceTransport) -> None:
        self._config = config
        self._transport = transport

    async def attempt(self, auth: Mapping[str, Any], session: AuthSession) -> object:
        """Raises 401 `M_CAPTCHA_NEEDED`, `M_CAPTCHA_INVALID`; 502 where nobody can tell."""
        solution = auth.get("response")
        if not isinstance(solution, str) or not solution:
            raise MatrixError(401, "M_CAPTCHA_NEEDED", "auth.response is missing: the captcha's solution")
        if len(solution) > _MAX_LENGTH:
            raise MatrixError(401, "M_CAPTCHA_INVALID", "The captcha has not been solved")
        body = urlencode({"secret": self._config.private_key, "response": solution}, errors="replace").encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        try:
            answer = await self._transport.request("POST", self._config.siteverify_api, headers=headers, body=body)
            found = orjson.loads(answer.body)
        except (FederationUnreachable, orjson.JSONDecodeError) as error:
            raise MatrixError(502, "M_UNKNOWN", "The captcha cannot be verified at the moment") from error
        if not isinstance(found, dict) or found.get("success") is not True:
            raise MatrixError(401, "M_CAPTCHA_INVALID", "The captcha has not been solved")
        return True
