"""The pages of single sign-on: templates, which operators may write themselves, with headers that keep them apart."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ranvier.http.response import Header, Response, html_response
from ranvier.proto.errors import MatrixError
from ranvier.sso.provider import SignOnFailed
from ranvier.sso.sign_on import Admitted, Deactivated, WrongUser
from ranvier.templates import TemplateFault, TemplateMissing, Templates
from ranvier.users.profiles import Profiles

logger = logging.getLogger(__name__)

ATTEMPT_COOKIE: Final = "sso_attempt"
NEWCOMER_COOKIE: Final = "username_mapping_session"
_HEADERS: Final[tuple[Header, ...]] = (
    (b"x-frame-options", b"DENY"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-robots-tag", b"none"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"frame-ancestors 'none'; base-uri 'none'; object-src 'none'"),
)


class SsoPages:
    """Fills them in."""

    def __init__(self, *, templates: Templates, profiles: Profiles, server_name: str) -> None:
        self._templates = templates
        self._profiles = profiles
        self._server_name = server_name

    def page(
        self, name: str, variables: Mapping[str, Any], *, status: int = 200, headers: Sequence[Header] = ()
    ) -> Response:
        """A page. Raises 500 for one that the operator has to mend."""
        try:
            html = self._templates.render(f"{name}.html", {"server_name": self._server_name, **variables})
        except (TemplateFault, TemplateMissing) as fault:
            logger.error("A page of single sign-on cannot be shown: %s", fault)  # noqa: TRY400 - the operator's page
            raise MatrixError(500, "M_UNKNOWN", "This page cannot be shown; its author has to mend it") from fault
        return html_response(html, status, [*_HEADERS, *headers])

    def refusal(self, error: Exception, *, headers: Sequence[Header] = ()) -> Response:
        """Why somebody does not get in. Raises what is not of ours."""
        if isinstance(error, Deactivated):
            return self.page("sso_account_deactivated", {}, status=403, headers=headers)
        if isinstance(error, WrongUser):
            variables = {"user_id_to_verify": error.user_id}
            return self.page("sso_auth_bad_user", variables, status=403, headers=headers)
        if isinstance(error, SignOnFailed):
            logger.info("Somebody has not come in by single sign-on: %s", error)
            status = {"unauthorised": 403, "server_error": 502}.get(error.error, 400)
            variables = {"error": error.error, "error_description": error.description}
            return self.page("sso_error", variables, status=status, headers=headers)
        if isinstance(error, MatrixError):
            variables = {"error": error.errcode, "error_description": error.error}
            return self.page("sso_error", variables, status=error.status, headers=headers)
        raise error

    async def admitted(self, found: Admitted, *, headers: Sequence[Header] = ()) -> Response:
        """On to the application; by a question where nobody has said that it is known."""
        if found.is_known_place:
            location = (b"location", found.location.encode("ascii"))
            return html_response("", 302, [*_HEADERS, *headers, location])
        profile = await self._profiles.of(found.user_id)
        variables = {
            "display_url": found.location.partition("?")[0].partition("#")[0],
            "redirect_url": found.location,
            "new_user": found.is_new,
            "user_id": found.user_id,
            "user_profile": {
                "user_id": found.user_id,
                "display_name": profile.get("displayname"),
                "avatar_url": profile.get("avatar_url"),
            },
        }
        return self.page("sso_redirect_confirm", variables, headers=headers)
