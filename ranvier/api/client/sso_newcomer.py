"""`/_synapse/client/pick_username`, `new_user_consent`, `sso_register`: what a user who is new here decides."""

import msgspec

from ranvier.api.client.sso_page import NEWCOMER_COOKIE, SsoPages
from ranvier.config.account_sections import ConsentConfig
from ranvier.http.request import Request, parse_query_string
from ranvier.http.response import Response, html_response, json_response
from ranvier.http.route import Auth, Route, routes
from ranvier.proto.errors import MatrixError
from ranvier.sso.accounts import SsoAccounts
from ranvier.sso.cookie import cookie, set_cookie
from ranvier.sso.newcomers import Newcomer
from ranvier.sso.provider import SignOnFailed
from ranvier.sso.sign_on import Deactivated, SignOn
from ranvier.users.consent import PATH as POLICY

_ROOT = "/_synapse/client"


class NameCheck(msgspec.Struct, omit_defaults=True):
    """Whether a newcomer may have a name."""

    available: bool | None = None
    error: str | None = None


class SsoNewcomerApi:
    """The forms."""

    def __init__(
        self,
        *,
        sign_on: SignOn,
        accounts: SsoAccounts,
        pages: SsoPages,
        consent: ConsentConfig | None,
        public_baseurl: str,
    ) -> None:
        self._sign_on = sign_on
        self._accounts = accounts
        self._pages = pages
        self._consent = consent
        self._base = public_baseurl.rstrip("/")

    def routes(self) -> list[Route]:
        """The module's routes."""
        details, consent = f"{_ROOT}/pick_username/account_details", f"{_ROOT}/new_user_consent"
        limit, size = "rc_login.address", 1 << 16
        return [
            *routes("GET", f"{_ROOT}/pick_username/check", self.check, auth=Auth.NONE, limit=limit, answer=NameCheck,
                    summary="Whether a newcomer may have a name"),
            *routes("GET", details, self.details, auth=Auth.NONE, limit=limit, summary="What a newcomer chooses"),
            *routes("POST", details, self.choose, auth=Auth.NONE, limit=limit, body_limit_bytes=size,
                    summary="A newcomer has chosen"),
            *routes("GET", consent, self.policy, auth=Auth.NONE, limit=limit, summary="What a newcomer agrees to"),
            *routes("POST", consent, self.agree, auth=Auth.NONE, limit=limit, body_limit_bytes=size,
                    summary="A newcomer agrees"),
            *routes("GET", f"{_ROOT}/sso_register", self.register, auth=Auth.NONE, limit=limit, cancel=False,
                    summary="Make the account of a newcomer"),
        ]  # fmt: skip

    async def check(self, request: Request) -> Response:
        """`available`, or `error` with the reason; for scripts of the page."""
        try:
            self._newcomer(request)
        except SignOnFailed as error:
            return json_response(NameCheck(error=error.description))
        problem = await self._accounts.problem(dict(request.query_pairs).get("username", ""))
        if problem is None:
            return json_response(NameCheck(available=True))
        return json_response(NameCheck(available=False, error=problem.error))

    async def details(self, request: Request) -> Response:
        """The form."""
        try:
            return self._details(self._newcomer(request))
        except SignOnFailed as error:
            return self._pages.refusal(error)

    async def choose(self, request: Request) -> Response:
        """The form filled in: `username`, and `use_display_name`, `use_email` for what the provider has told."""
        try:
            newcomer, pairs = self._newcomer(request), parse_query_string(request.content)
        except (SignOnFailed, MatrixError) as error:
            return self._pages.refusal(error)
        fields = dict(pairs)
        localpart = fields.get("username", "").strip().lower()
        if (problem := await self._accounts.problem(localpart)) is not None:
            return self._details(newcomer, problem.error, status=problem.status)
        newcomer.localpart = localpart
        newcomer.display_name = newcomer.identity.display_name if fields.get("use_display_name") == "true" else None
        wanted = {value for name, value in pairs if name == "use_email"}
        newcomer.emails = [email for email in newcomer.identity.emails if email in wanted]
        return self._to("new_user_consent" if self._sign_on.has_to_agree(newcomer) else "sso_register")

    async def policy(self, request: Request) -> Response:
        """What is to be agreed to."""
        try:
            newcomer = self._newcomer(request)
        except SignOnFailed as error:
            return self._pages.refusal(error)
        if self._consent is None or newcomer.localpart is None:
            return self._to("pick_username/account_details" if newcomer.localpart is None else "sso_register")
        variables = {
            "user_id": self._accounts.user_id(newcomer.localpart),
            "user_profile": {"display_name": newcomer.display_name},
            "consent_version": self._consent.version,
            "terms_url": f"{self._base}{POLICY}?v={self._consent.version}",
        }
        return self._pages.page("sso_new_user_consent", variables)

    async def agree(self, request: Request) -> Response:
        """Agreed to: `accepted_version`."""
        try:
            newcomer = self._newcomer(request)
            fields = dict(parse_query_string(request.content))
            if self._consent is not None and fields.get("accepted_version") != self._consent.version:
                raise SignOnFailed("invalid_request", "This is not the current version of the policy: start again.")
        except (SignOnFailed, MatrixError) as error:
            return self._pages.refusal(error)
        newcomer.has_agreed = True
        return self._to("sso_register")

    async def register(self, request: Request) -> Response:
        """Make the account, and on to the application."""
        secure = self._base.startswith("https:")
        over = set_cookie(NEWCOMER_COOKIE, "", secure=secure, lifetime_s=0)
        try:
            found = await self._sign_on.settle(cookie(request.headers, NEWCOMER_COOKIE))
        except (SignOnFailed, MatrixError, Deactivated) as error:
            return self._pages.refusal(error)
        return await self._pages.admitted(found, headers=[over])

    def _newcomer(self, request: Request) -> Newcomer:
        return self._sign_on.newcomers.find(cookie(request.headers, NEWCOMER_COOKIE))

    def _details(self, newcomer: Newcomer, error: str = "", *, status: int = 200) -> Response:
        identity = newcomer.identity
        variables = {
            "idp": newcomer.card,
            "user_attributes": {
                "localpart": newcomer.localpart or identity.localpart,
                "display_name": identity.display_name,
                "emails": identity.emails,
                "avatar_url": None,
            },
            "error": error,
        }
        return self._pages.page("sso_auth_account_details", variables, status=status)

    def _to(self, path: str) -> Response:
        location = f"{self._base}{_ROOT}/{path}".encode("ascii")
        return html_response("", 302, [(b"location", location), (b"cache-control", b"no-store")])
