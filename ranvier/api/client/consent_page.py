"""`/_matrix/consent`: the policy of this server, and the form with which a user agrees to it.

Configuration: `user_consent`. The pages are the operator's: `<template_dir>/en/<version>.html`, and `success.html` beside
it. They are given `user` and `userhmac`, which the form sends back as `u` and `h`, `version` (`v`), `has_consented`, and
`public_version`: whether the page is shown to nobody in particular.
"""

import logging
import os
from collections.abc import Mapping
from typing import Any, Final

from ranvier.config.account_sections import ConsentConfig
from ranvier.config.build_accounts import is_policy_version
from ranvier.http.request import Request, parse_query_string
from ranvier.http.response import Header, Response, html_response
from ranvier.http.route import Auth, Route, routes
from ranvier.proto.errors import MatrixError, missing_param, not_found
from ranvier.templates import TemplateFault, TemplateMissing, Templates
from ranvier.users.consent import PATH, Consent

logger = logging.getLogger(__name__)

_SUCCESS: Final = "success"
_HEADERS: Final[tuple[Header, ...]] = (
    (b"x-frame-options", b"DENY"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-robots-tag", b"none"),
    # The address is the user's own: whom the policy links to is not to know it.
    (b"referrer-policy", b"no-referrer"),
)


class ConsentPageApi:
    """Serves the pages."""

    def __init__(self, *, consent: Consent, config: ConsentConfig, templates: Templates) -> None:
        self._consent = consent
        self._config = config
        self._templates = templates.beside(os.path.join(config.template_dir, "en"), config.template_dir)

    def routes(self) -> list[Route]:
        """The module's routes."""
        return [
            *routes(
                "GET", PATH, self.policy, auth=Auth.NONE, resource="consent",
                summary="The policy, and for who has a link of their own the form",
            ),
            *routes(
                "POST", PATH, self.agree, auth=Auth.NONE, resource="consent", body_limit_bytes=1 << 16,
                summary="A user agrees to the policy",
            ),
        ]  # fmt: skip

    async def policy(self, request: Request) -> Response:
        """The policy. Raises 403 for a link that was not made here, 404 for a version that is not there."""
        query = dict(request.query_pairs)
        version, user = query.get("v", self._config.version), query.get("u")
        if user is None:
            if not self._config.require_at_registration:
                raise missing_param("u is missing")
            return self._policy(version, {"public_version": True})
        proof = query.get("h", "")
        agreed = await self._consent.has_agreed(user, proof)
        return self._policy(
            version, {"user": user, "userhmac": proof, "has_consented": agreed, "public_version": False}
        )

    async def agree(self, request: Request) -> Response:
        """A user agrees. Raises as `policy`, and 400 for another version than the current one."""
        fields = dict(parse_query_string(request.content))
        for name in ("v", "u", "h"):
            if name not in fields:
                raise missing_param(f"{name} is missing")
        await self._consent.agree(fields["u"], fields["h"], fields["v"])
        try:
            return self._page(_SUCCESS, {})
        except TemplateMissing:
            return self._page("consent_success", {})

    def _policy(self, version: str, variables: Mapping[str, Any]) -> Response:
        """Older versions are shown too, as long as their pages are there."""
        if not is_policy_version(version) or version == _SUCCESS:
            raise not_found("There is no such version of the policy")
        try:
            return self._page(version, {"version": version, **variables})
        except TemplateMissing:
            raise not_found("There is no such version of the policy") from None

    def _page(self, name: str, variables: Mapping[str, Any]) -> Response:
        """Raises `TemplateMissing`, 500 for a page that the operator has to mend."""
        try:
            html = self._templates.render(f"{name}.html", variables)
        except TemplateFault as fault:
            logger.error("The page of the policy cannot be shown: %s", fault)  # noqa: TRY400 - not a fault of ours
            raise MatrixError(500, "M_UNKNOWN", "This page cannot be shown; its author has to mend it") from fault
        return html_response(html, headers=_HEADERS)
