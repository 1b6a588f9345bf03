"""`/auth/{type}/fallback/web`: completing a stage of authentication in a browser, for clients that do not know it.

Spec: client-server API, "User-Interactive Authentication API", "Fallback".
"""

from collections.abc import Callable, Mapping
from html import escape
from types import MappingProxyType
from typing import Any, Final

from ranvier.api.client.html_page import page, page_part
from ranvier.http.request import Request, parse_query_string
from ranvier.http.response import Response
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.proto.errors import MatrixError, missing_param, not_found
from ranvier.users.interactive_auth import AuthSession, InteractiveAuth
from ranvier.users.stages import DUMMY, PASSWORD, REGISTRATION_TOKEN, TERMS

_TITLE: Final = "Authentication"
_FIELD_SIZE: Final = 1000


class AuthFallbackApi:
    """The pages: a form, and what it says when it was filled in."""

    def __init__(self, *, interactive_auth: InteractiveAuth) -> None:
        self._interactive_auth = interactive_auth
        self._done_script = page_part("auth_done.js")

    def routes(self) -> list[Route]:
        """The module's routes."""
        at = paths("/auth/{auth_type}/fallback/web")
        return [
            *routes("GET", at, self.form, auth=Auth.NONE, spec="Fallback", summary="A page for one stage"),
            *routes(
                "POST", at, self.submit, auth=Auth.NONE, limit="rc_login.address",
                body_limit_bytes=1 << 16, spec="Fallback", summary="The form of that page, filled in",
            ),
        ]  # fmt: skip

    async def form(self, request: Request) -> Response:
        """The form of a stage."""
        try:
            kind, session = self._find(request, dict(request.query_pairs))
        except MatrixError as error:
            return _refusal(error)
        if kind in session.completed:
            return self._done()
        return page(_TITLE, _FORMS[kind](session, ""))

    async def submit(self, request: Request) -> Response:
        """Attempt the stage with what was filled in."""
        try:
            fields = dict(parse_query_string(request.content))
            kind, session = self._find(request, {**dict(request.query_pairs), **fields})
        except MatrixError as error:
            return _refusal(error)
        try:
            await self._interactive_auth.complete(session, kind, _attempt(kind, session, fields))
        except MatrixError as error:
            return page(_TITLE, _FORMS[kind](session, error.error), status=error.status)
        return self._done()

    def _done(self) -> Response:
        body = "<h1>Thank you</h1>\n<p>You may now close this window and return to the application.</p>"
        return page(_TITLE, body, script=self._done_script)

    def _find(self, request: Request, fields: Mapping[str, str]) -> tuple[str, AuthSession]:
        """Raises 404 for a stage that we do not have, 400 for a session that is over or not there yet."""
        kind = request.params["auth_type"]
        if kind not in _FORMS:
            raise not_found("Unknown authentication type")
        session_id = fields.get("session")
        if session_id is None:
            raise missing_param("session is missing")
        return kind, self._interactive_auth.page(session_id, kind)


def _attempt(kind: str, session: AuthSession, fields: Mapping[str, str]) -> dict[str, Any]:
    """The `auth` object that says what was filled in."""
    given = {name: value[:_FIELD_SIZE] for name, value in fields.items()}
    if kind == PASSWORD:
        user = session.user_id or given.get("user", "")
        return {"identifier": {"type": "m.id.user", "user": user}, "password": given.get("password", "")}
    return {"token": given.get("token", "")} if kind == REGISTRATION_TOKEN else {}


def _refusal(error: MatrixError) -> Response:
    return page(_TITLE, f'<h1>Sorry</h1>\n<p class="error">{escape(error.error)}</p>', status=error.status)


def _form(session: AuthSession, heading: str, inside: str, button: str, error: str) -> str:
    problem = f'<p class="error" role="alert">{escape(error)}</p>\n' if error else ""
    return (
        f"<h1>{heading}</h1>\n{problem}"
        f'<form method="post">\n<input type="hidden" name="session" value="{escape(session.session_id)}">\n'
        f"{inside}<button>{button}</button>\n</form>"
    )


def _dummy_form(session: AuthSession, error: str) -> str:
    return _form(session, "Continue", "", "Continue", error)


def _password_form(session: AuthSession, error: str) -> str:
    user = (
        '<label for="user">User name</label>\n<input id="user" name="user" autocomplete="username" required>\n'
        if session.user_id is None
        else f"<p>Confirm that you are {escape(session.user_id)}.</p>\n"
    )
    password = (
        '<label for="password">Password</label>\n'
        '<input id="password" name="password" type="password" autocomplete="current-password" required>\n'
    )
    return _form(session, "Your password", user + password, "Confirm", error)


def _token_form(session: AuthSession, error: str) -> str:
    token = '<label for="token">Registration token</label>\n<input id="token" name="token" required>\n'
    return _form(session, "Registration token", token, "Continue", error)


def _terms_form(session: AuthSession, error: str) -> str:
    policies = session.params.get(TERMS, {}).get("policies", {})
    links = "".join(
        f'<li><a href="{escape(policy["en"]["url"])}" target="_blank" rel="noopener">'
        f"{escape(policy['en']['name'])}</a></li>\n"
        for policy in policies.values()
    )
    text = f"<p>To register here, read and accept this:</p>\n<ul>\n{links}</ul>\n"
    return _form(session, "Terms", text, "I accept", error)


_FORMS: Final[Mapping[str, Callable[[AuthSession, str], str]]] = MappingProxyType(
    {DUMMY: _dummy_form, PASSWORD: _password_form, REGISTRATION_TOKEN: _token_form, TERMS: _terms_form}
)
