"""Renewing an account that is about to end: the link in the mail, and asking for that mail.

Configuration: `account_validity`. Manual: "Account validity". Pages are templates: `account_renewed.html`,
`account_previously_renewed.html`, `invalid_token.html`.
"""

import logging

from ranvier.config.validity_sections import ValidityConfig
from ranvier.http.request import Request
from ranvier.http.response import EMPTY_OBJECT, Nothing, Response, html_response
from ranvier.http.route import Auth, Route, routes
from ranvier.proto.errors import forbidden
from ranvier.templates import TemplateFault, TemplateMissing, Templates
from ranvier.users.account_validity import RENEW, AccountValidity

logger = logging.getLogger(__name__)


class AccountValidityApi:
    """Where accounts end."""

    def __init__(self, *, validity: AccountValidity, config: ValidityConfig, templates: Templates) -> None:
        self._validity = validity
        self._config = config
        self._templates = templates if config.template_dir is None else templates.beside(config.template_dir)

    def routes(self) -> list[Route]:
        """The module's routes."""
        return [
            *routes("GET", f"/{RENEW}", self.renew, auth=Auth.NONE, cancel=False, summary="The link that renews"),
            *routes(
                "POST", "/_matrix/client/unstable/account_validity/send_mail", self.send_mail, auth=Auth.USER,
                locked=True, limit="rc_3pid_validation", answer=Nothing, summary="Send the mail with that link",
            ),
        ]  # fmt: skip

    async def renew(self, request: Request) -> Response:
        """The account is good for another period."""
        found = await self._validity.renew_by(dict(request.query_pairs).get("token", ""))
        if found is None:
            return self._page(self._config.invalid_token_page, None, status=404)
        ends, is_new = found
        return self._page(self._config.account_renewed_page if is_new else "account_previously_renewed.html", ends)

    async def send_mail(self, request: Request) -> Response:
        """Also for those whose account has ended; not for those who are locked. Raises 403 `M_FORBIDDEN`, 503."""
        if request.requester.locked:
            raise forbidden("This account has been locked")
        await self._validity.send_mail(request.requester)
        return EMPTY_OBJECT

    def _page(self, template: str, ends: int | None, *, status: int = 200) -> Response:
        try:
            html = self._templates.render(template, {"expiration_ts": ends})
        except (TemplateMissing, TemplateFault) as error:
            logger.error("The template %s cannot be filled in: %s", template, error)  # noqa: TRY400
            html = f"<!DOCTYPE html><title>{'Thank you' if status == 200 else 'Sorry'}</title>"
        headers = [(b"x-frame-options", b"DENY"), (b"referrer-policy", b"no-referrer"), (b"cache-control", b"no-store")]
        return html_response(html, status, headers)
