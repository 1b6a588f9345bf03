"""The `requestToken` endpoints: beginning to prove that an address or a number is one's own.

Spec: client-server API, "Adding Account Administrative Contact Information", "Account registration", "Password
management". Identity servers that a client names are not asked: this server sends the mails itself. It sends no texts.
"""

from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from ranvier.config.model import Config
from ranvier.http.request import Request
from ranvier.http.response import Response, json_response
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.proto.errors import MatrixError, forbidden, invalid_param
from ranvier.users.text import is_storable
from ranvier.users.threepid_validation import Purpose, ThreepidValidation, Wish

_LIMIT = "rc_3pid_validation"
_LINK_LENGTH = 2000
Secret = Annotated[str, Meta(pattern=r"^[0-9a-zA-Z.=_-]{1,255}\Z")]
Attempt = Annotated[int, Meta(ge=0, le=(1 << 53) - 1)]


class EmailValidation(msgspec.Struct):
    """A request to validate an e-mail address."""

    client_secret: Secret
    email: Annotated[str, Meta(pattern="^[^@]+@[^@]+$")]
    send_attempt: Attempt
    next_link: str | None = None
    id_server: str | None = None
    id_access_token: str | None = None


class PhoneValidation(msgspec.Struct):
    """A request to validate a telephone number."""

    client_secret: Secret
    country: str
    phone_number: str
    send_attempt: Attempt
    next_link: str | None = None
    id_server: str | None = None
    id_access_token: str | None = None


class ValidationBegun(msgspec.Struct):
    """The session in which it is proved."""

    sid: str


class ThreepidTokensApi:
    """`validation` is `None` where no mail is sent."""

    def __init__(self, *, config: Config, validation: ThreepidValidation | None) -> None:
        self._config = config
        self._validation = validation

    def routes(self) -> list[Route]:
        """The module's routes."""
        calls = (
            ("/account/3pid", self.for_account, "To3PID"),
            ("/register", self.for_registration, "ToRegister"),
            ("/account/password", self.for_password, "ToResetPassword"),
        )
        media = (("email", EmailValidation, "Email"), ("msisdn", PhoneValidation, "MSISDN"))
        return [
            route
            for prefix, call, purpose in calls
            for medium, body, name in media
            for route in routes(
                "POST", paths(f"{prefix}/{medium}/requestToken"), call, auth=Auth.NONE, limit=_LIMIT, body=body,
                answer=ValidationBegun, spec=f"requestToken{purpose}{name}", summary="Begin to validate a contact",
            )
        ]  # fmt: skip

    async def for_account(self, request: Request) -> Response:
        """Raises 400 `M_THREEPID_MEDIUM_NOT_SUPPORTED`, 403 `M_FORBIDDEN`, and what the session raises."""
        denied = MatrixError(400, "M_THREEPID_MEDIUM_NOT_SUPPORTED", "This server cannot validate such identifiers")
        validation, wanted = self._open(request, denied)
        if not self._config.enable_3pid_changes:
            raise forbidden("This server does not let its users change their third-party identifiers")
        return await _begin(validation, "add_threepid", wanted)

    async def for_registration(self, request: Request) -> Response:
        """Raises 403 `M_THREEPID_DENIED`, `M_FORBIDDEN`, and what the session raises."""
        denied = MatrixError(403, "M_THREEPID_DENIED", "One cannot register with such an identifier here")
        validation, wanted = self._open(request, denied)
        if not self._config.enable_registration:
            raise forbidden("Registration is disabled")
        return await _begin(validation, "registration", wanted)

    async def for_password(self, request: Request) -> Response:
        """Raises 400 `M_THREEPID_NOT_FOUND`, 403 `M_FORBIDDEN`, and what the session raises."""
        validation, wanted = self._open(
            request, MatrixError(400, "M_THREEPID_NOT_FOUND", "No account has this identifier")
        )
        if not self._config.password_config.localdb_enabled:
            raise forbidden("Passwords are not kept here")
        return await _begin(validation, "password_reset", wanted)

    def _open(self, request: Request, denied: MatrixError) -> tuple[ThreepidValidation, EmailValidation]:
        """Raises `denied` where it cannot be validated, 400 for a body of the wrong shape."""
        if b"/msisdn/" in request.path:
            request.json(PhoneValidation)
            raise denied
        wanted = request.json(EmailValidation)
        if self._validation is None:
            raise denied
        return self._validation, wanted


async def _begin(validation: ThreepidValidation, purpose: Purpose, wanted: EmailValidation) -> Response:
    if wanted.next_link is not None:
        _check_link(wanted.next_link)
    session_id = await validation.request(
        Wish(
            purpose=purpose,
            email=wanted.email,
            client_secret=wanted.client_secret,
            send_attempt=wanted.send_attempt,
            next_link=wanted.next_link,
        )
    )
    return json_response(ValidationBegun(session_id))


def _check_link(link: str) -> None:
    """Raises 400 `M_INVALID_PARAM` for what no browser should be sent to."""
    try:
        parts = urlsplit(link)
        is_web = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_web = False
    # Control characters would end a header.
    if not is_web or len(link) > _LINK_LENGTH or not is_storable(link) or not link.isprintable() or not link.isascii():
        raise invalid_param("next_link must be an address of the web")
