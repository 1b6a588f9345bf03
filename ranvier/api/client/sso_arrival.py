"""Where providers send users back to: `/_synapse/client/oidc/callback`, `/login/cas/ticket`."""

from ranvier.api.client.sso_page import ATTEMPT_COOKIE, NEWCOMER_COOKIE, SsoPages
from ranvier.http.request import Request
from ranvier.http.response import Header, Response, html_response
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.proto.errors import MatrixError
from ranvier.sso.cookie import cookie, set_cookie
from ranvier.sso.newcomers import LIFETIME_MS
from ranvier.sso.provider import CALLBACK, SignOnFailed
from ranvier.sso.sign_on import Admitted, Arrived, Deactivated, SignOn, WrongUser


class SsoArrivalApi:
    """Receives them."""

    def __init__(self, *, sign_on: SignOn, pages: SsoPages, public_baseurl: str) -> None:
        self._sign_on = sign_on
        self._pages = pages
        self._base = public_baseurl.rstrip("/")
        self._secure = self._base.startswith("https:")

    def routes(self) -> list[Route]:
        """The module's routes."""
        at = (f"/{CALLBACK}", *paths("/login/cas/ticket", versions=("r0", "v3", "unstable")))
        return routes(
            "GET", at, self.arrive, auth=Auth.NONE, limit="rc_login.address", cancel=False,
            summary="A provider sends a user back",
        )  # fmt: skip

    async def arrive(self, request: Request) -> Response:
        """Let them in, let them choose a name, or say why not. The cookie is good for once."""
        over = set_cookie(ATTEMPT_COOKIE, "", secure=self._secure, lifetime_s=0)
        try:
            found = await self._sign_on.finish(dict(request.query_pairs), cookie(request.headers, ATTEMPT_COOKIE))
        except (SignOnFailed, WrongUser, Deactivated, MatrixError) as error:
            return self._pages.refusal(error, headers=[over])
        if isinstance(found, Admitted):
            return await self._pages.admitted(found, headers=[over])
        if isinstance(found, Arrived):
            kept = set_cookie(NEWCOMER_COOKIE, found.key, secure=self._secure, lifetime_s=LIFETIME_MS // 1000)
            return self._on(found.key, [over, kept])
        return self._pages.page("sso_auth_success", {}, headers=[over])

    def _on(self, key: str, headers: list[Header]) -> Response:
        """To what a newcomer has to do first."""
        newcomer = self._sign_on.newcomers.find(key)
        chooses = newcomer.localpart is None or newcomer.identity.confirm_localpart
        path = "pick_username/account_details" if chooses else "new_user_consent"
        location = f"{self._base}/_synapse/client/{path}".encode("ascii")
        return html_response("", 302, [*headers, (b"location", location), (b"cache-control", b"no-store")])
