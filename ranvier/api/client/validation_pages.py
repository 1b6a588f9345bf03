"""The pages behind the links in mails: an address is confirmed there.

Identity service API, `GET /validate/email/submitToken`. The texts are templates that operators may replace
(`templates.custom_template_directory`). A password is not reset before a button was pressed: programs that look at mails
open links.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from ranvier.http.request import Request, parse_query_string
from ranvier.http.response import Header, Response, html_response, redirect_response
from ranvier.http.route import Auth, Route, routes
from ranvier.templates import TemplateFault, TemplateMissing, Templates
from ranvier.users.threepid_validation import CannotValidate, Purpose, ThreepidValidation

logger = logging.getLogger(__name__)

_HEADERS: Final[tuple[Header, ...]] = (
    (b"x-frame-options", b"DENY"),
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"frame-ancestors 'none'; base-uri 'none'"),
    # The address of the page holds the token.
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"x-robots-tag", b"noindex"),
)
_FIELDS: Final = ("sid", "client_secret", "token")


class ValidationPagesApi:
    """Serves them."""

    def __init__(self, *, validation: ThreepidValidation, templates: Templates, server_name: str) -> None:
        self._validation = validation
        self._templates = templates
        self._server_name = server_name

    def routes(self) -> list[Route]:
        """The module's routes."""
        reset = "/_synapse/client/password_reset/email/submit_token"
        return [
            *routes(
                "GET", "/_matrix/client/unstable/registration/email/submit_token", self.registration, auth=Auth.NONE,
                cancel=False, summary="The link in a mail about a new account",
            ),
            *routes(
                "GET", "/_matrix/client/unstable/add_threepid/email/submit_token", self.add_threepid, auth=Auth.NONE,
                cancel=False, summary="The link in a mail about another address",
            ),
            *routes(
                "GET", reset, self.ask_password_reset, auth=Auth.NONE,
                summary="The link in a mail about another password: asks whether it was meant",
            ),
            *routes(
                "POST", reset, self.password_reset, auth=Auth.NONE, body_limit_bytes=1 << 16,
                summary="It was meant",
            ),
        ]  # fmt: skip

    async def registration(self, request: Request) -> Response:
        """Confirm the address of a new account."""
        return await self._submit("registration", dict(request.query_pairs))

    async def add_threepid(self, request: Request) -> Response:
        """Confirm another address of an account."""
        return await self._submit("add_threepid", dict(request.query_pairs))

    async def ask_password_reset(self, request: Request) -> Response:
        """Ask whether a password is to be reset."""
        given = _given(dict(request.query_pairs))
        return await self._answer("password_reset", given, self._validation.check, self._confirmation)

    async def password_reset(self, request: Request) -> Response:
        """It is."""
        return await self._submit(
            "password_reset", {**dict(request.query_pairs), **dict(parse_query_string(request.content))}
        )

    async def _submit(self, purpose: Purpose, fields: Mapping[str, str]) -> Response:
        return await self._answer(purpose, _given(fields), self._validation.submit, self._success)

    async def _answer(
        self,
        purpose: Purpose,
        given: dict[str, str],
        act: Callable[[Purpose, str, str, str], Awaitable[str | None]],
        then: Callable[[Purpose, dict[str, str], str | None], Response],
    ) -> Response:
        try:
            next_link = await act(purpose, given["sid"], given["client_secret"], given["token"])
        except CannotValidate as error:
            return self._page(f"{purpose}_failure.html", {"failure_reason": str(error)}, status=400)
        return then(purpose, given, next_link)

    def _confirmation(self, purpose: Purpose, given: dict[str, str], _next_link: str | None) -> Response:
        return self._page(f"{purpose}_confirmation.html", given)

    def _success(self, purpose: Purpose, _given: dict[str, str], next_link: str | None) -> Response:
        return self._page(f"{purpose}_success.html", {}) if next_link is None else redirect_response(next_link)

    def _page(self, template: str, variables: Mapping[str, str], *, status: int = 200) -> Response:
        try:
            html = self._templates.render(template, {"server_name": self._server_name, **variables})
        except (TemplateMissing, TemplateFault) as error:
            # What the link was for has been done, or not; the page only says so.
            logger.error("The template %s cannot be filled in: %s", template, error)  # noqa: TRY400
            html = f"<!DOCTYPE html><title>{'Thank you' if status == 200 else 'Sorry'}</title>"
        return html_response(html, status, _HEADERS)


def _given(fields: Mapping[str, str]) -> dict[str, str]:
    """What is missing is empty, and proves nothing."""
    return {name: fields.get(name, "")[:1000] for name in _FIELDS}
