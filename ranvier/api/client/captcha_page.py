"""`/auth/m.login.recaptcha/fallback/web`: the captcha in a browser, for clients that cannot show it.

Spec: client-server API, "Fallback". The page is a template, `recaptcha.html`, with `session`, `myurl`, `sitekey` and
`error`; its script is the captcha's own.
"""

import logging
from typing import Final

from ranvier.api.client.html_page import page, page_part
from ranvier.http.request import Request, parse_query_string
from ranvier.http.response import Header, Response, html_response
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.proto.errors import MatrixError
from ranvier.templates import TemplateFault, TemplateMissing, Templates
from ranvier.users.interactive_auth import InteractiveAuth
from ranvier.users.stages import RECAPTCHA

logger = logging.getLogger(__name__)

_TITLE: Final = "Authentication"
_SCRIPTS: Final = (
    "https://www.recaptcha.net/recaptcha/ https://www.google.com/recaptcha/ https://www.gstatic.com/recaptcha/"
    " https://www.gstatic.cn/recaptcha/"
)
_POLICY: Final = (
    f"default-src 'none'; script-src 'unsafe-inline' {_SCRIPTS}; frame-src {_SCRIPTS}; connect-src {_SCRIPTS};"
    " style-src 'self' 'unsafe-inline'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_HEADERS: Final[tuple[Header, ...]] = (
    (b"x-frame-options", b"DENY"),
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", _POLICY.encode("ascii")),
)


class CaptchaPageApi:
    """The page, and the solution that it sends."""

    def __init__(self, *, interactive_auth: InteractiveAuth, templates: Templates, public_key: str) -> None:
        self._interactive_auth = interactive_auth
        self._templates = templates
        self._public_key = public_key

    def routes(self) -> list[Route]:
        """The module's routes."""
        at = paths(f"/auth/{RECAPTCHA}/fallback/web")
        return [
            *routes("GET", at, self.form, auth=Auth.NONE, spec="Fallback", summary="The captcha"),
            *routes(
                "POST", at, self.submit, auth=Auth.NONE, limit="rc_login.address",
                body_limit_bytes=1 << 16, spec="Fallback", summary="The captcha, solved",
            ),
        ]  # fmt: skip

    async def form(self, request: Request) -> Response:
        """The page. Raises 400 for a session that is over or not there yet."""
        session_id = dict(request.query_pairs).get("session", "")
        session = self._interactive_auth.page(session_id, RECAPTCHA)
        return self._done() if RECAPTCHA in session.completed else self._form(request, session_id, "")

    async def submit(self, request: Request) -> Response:
        """Verify the solution. Raises as `form`."""
        fields = {**dict(request.query_pairs), **dict(parse_query_string(request.content))}
        session_id = fields.get("session", "")
        session = self._interactive_auth.page(session_id, RECAPTCHA)
        try:
            await self._interactive_auth.complete(
                session, RECAPTCHA, {"response": fields.get("g-recaptcha-response", "")}
            )
        except MatrixError as error:
            return self._form(request, session_id, error.error, status=error.status)
        return self._done()

    def _form(self, request: Request, session_id: str, error: str, *, status: int = 200) -> Response:
        variables = {
            "session": session_id,
            "myurl": request.path.decode("ascii"),
            "sitekey": self._public_key,
            "error": error,
        }
        try:
            html = self._templates.render("recaptcha.html", variables)
        except (TemplateFault, TemplateMissing) as fault:
            logger.error("The page with the captcha cannot be shown: %s", fault)  # noqa: TRY400 - the operator's page
            raise MatrixError(500, "M_UNKNOWN", "This page cannot be shown; its author has to mend it") from fault
        return html_response(html, status, _HEADERS)

    def _done(self) -> Response:
        body = "<h1>Thank you</h1>\n<p>You may now close this window and return to the application.</p>"
        return page(_TITLE, body, script=page_part("auth_done.js"))
