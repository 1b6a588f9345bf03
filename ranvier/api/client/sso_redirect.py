"""`/login/sso/redirect`, where single sign-on begins, and the page on which one of several providers is chosen.

Spec: client-server API, "SSO client login/authentication".
"""

from urllib.parse import quote, urlencode

from ranvier.api.client.sso_page import ATTEMPT_COOKIE, SsoPages
from ranvier.http.request import Request
from ranvier.http.response import Response, html_response
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.proto.errors import MatrixError, not_found
from ranvier.sso import client_url
from ranvier.sso.cookie import LIFETIME_MS, set_cookie
from ranvier.sso.provider import SignOnFailed
from ranvier.sso.sign_on import SignOn
from ranvier.users.interactive_auth import InteractiveAuth
from ranvier.users.stages import SSO

_PICK: str = "/_synapse/client/pick_idp"


class SsoRedirectApi:
    """Sends browsers to providers."""

    def __init__(
        self, *, sign_on: SignOn, pages: SsoPages, interactive_auth: InteractiveAuth, public_baseurl: str
    ) -> None:
        self._sign_on = sign_on
        self._pages = pages
        self._interactive_auth = interactive_auth
        self._base = public_baseurl.rstrip("/")

    def routes(self) -> list[Route]:
        """The module's routes."""
        return [
            *routes("GET", paths("/login/sso/redirect"), self.redirect, auth=Auth.NONE, limit="rc_login.address",
                    spec="redirectToSSO", summary="To the page of a provider"),
            *routes("GET", paths("/login/sso/redirect/{idp_id}"), self.redirect_to, auth=Auth.NONE,
                    limit="rc_login.address", spec="redirectToIdP", summary="To the page of this provider"),
            *routes("GET", _PICK, self.pick, auth=Auth.NONE, limit="rc_login.address", summary="Choose a provider"),
            *routes("GET", paths(f"/auth/{SSO}/fallback/web"), self.confirm, auth=Auth.NONE, limit="rc_login.address",
                    spec="Fallback", summary="Confirm by single sign-on who one is"),
        ]  # fmt: skip

    async def redirect(self, request: Request) -> Response:
        """To the only provider there is, or where one is chosen."""
        cards = self._sign_on.cards
        if len(cards) == 1:
            return await self._go(request, cards[0].idp_id)
        try:
            url = client_url.checked(dict(request.query_pairs).get("redirectUrl"))
        except SignOnFailed as error:
            return self._pages.refusal(error)
        location = f"{self._base}{_PICK}?{urlencode({'redirectUrl': url})}"
        return html_response("", 302, [(b"location", location.encode("ascii"))])

    async def redirect_to(self, request: Request) -> Response:
        """To one provider."""
        return await self._go(request, request.params["idp_id"])

    async def pick(self, request: Request) -> Response:
        """The page, or with what was chosen on it, on."""
        query = dict(request.query_pairs)
        try:
            url = client_url.checked(query.get("redirectUrl"))
        except SignOnFailed as error:
            return self._pages.refusal(error)
        if (chosen := query.get("idp")) is None:
            return self._pages.page("sso_login_idp_picker", {"redirect_url": url, "providers": self._sign_on.cards})
        path = f"/_matrix/client/v3/login/sso/redirect/{quote(chosen, safe='')}"
        location = f"{self._base}{path}?{urlencode({'redirectUrl': url})}"
        return html_response("", 302, [(b"location", location.encode("ascii"))])

    async def confirm(self, request: Request) -> Response:
        """What is to be confirmed, and the way to the provider."""
        try:
            session = self._interactive_auth.page(dict(request.query_pairs).get("session", ""), SSO)
            if SSO in session.completed:
                return self._pages.page("sso_auth_success", {})
            known = await self._sign_on.providers_of(session.user_id or "")
            cards = self._sign_on.cards
            card = next((card for card in cards if card.idp_id in known), cards[0])
            location, kept = await self._sign_on.begin(card.idp_id, ui_auth_session=session.session_id, passed={})
        except (SignOnFailed, MatrixError) as error:
            return self._pages.refusal(error)
        variables = {"description": session.operation, "redirect_url": location, "idp": card}
        return self._pages.page("sso_auth_confirm", variables, headers=[self._cookie(kept)])

    async def _go(self, request: Request, idp_id: str) -> Response:
        query = dict(request.query_pairs)
        try:
            url = client_url.checked(query.get("redirectUrl"))
            location, kept = await self._sign_on.begin(idp_id, client_redirect_url=url, passed=query)
        except KeyError:
            return self._pages.refusal(not_found("There is no such identity provider"))
        except SignOnFailed as error:
            return self._pages.refusal(error)
        headers = [(b"location", quote(location, safe="!#$%&'()*+,/:;=?@[]~").encode("ascii")), self._cookie(kept)]
        return html_response("", 302, [*headers, (b"cache-control", b"no-store")])

    def _cookie(self, kept: str) -> tuple[bytes, bytes]:
        secure = self._base.startswith("https:")
        return set_cookie(ATTEMPT_COOKIE, kept, secure=secure, lifetime_s=LIFETIME_MS // 1000)
