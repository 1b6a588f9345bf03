"""`/_matrix/consent`: the policy of this server, and the form with which a user agrees to it.

Configuration: `user_consent`. The pages are the operator's: `<template_dir>/en/<version>.html`, and `success.html` beside
it. Of the template language they know names in double braces and `if`.
"""

from pathlib import Path

from ranvier.api.client.html_template import render
from ranvier.config.account_sections import ConsentConfig
from ranvier.http.request import Request, parse_query_string
from ranvier.http.response import Response, html_response
from ranvier.http.route import Auth, Route, routes
from ranvier.proto.errors import missing_param, not_found
from ranvier.users.consent import PATH, Consent


class ConsentPageApi:
    """Serves the pages, each read once."""

    def __init__(self, *, consent: Consent, config: ConsentConfig) -> None:
        self._consent = consent
        self._config = config
        self._templates: dict[str, str] = {}

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
            return self._page(version, {"version": version, "public_version": True})
        proof = query.get("h", "")
        agreed = await self._consent.has_agreed(user, proof)
        return self._page(
            version,
            {"user": user, "userhmac": proof, "version": version, "has_consented": agreed, "public_version": False},
        )

    async def agree(self, request: Request) -> Response:
        """A user agrees. Raises as `policy`, and 400 for another version than the current one."""
        fields = dict(parse_query_string(request.content))
        for name in ("v", "u", "h"):
            if name not in fields:
                raise missing_param(f"{name} is missing")
        await self._consent.agree(fields["u"], fields["h"], fields["v"])
        return self._page("success", {})

    def _page(self, name: str, variables: dict[str, str | bool]) -> Response:
        return html_response(
            render(self._template(name), variables), headers=[(b"x-frame-options", b"DENY"), (b"x-robots-tag", b"none")]
        )

    def _template(self, name: str) -> str:
        if name not in (self._config.version, "success"):
            raise not_found("There is no such version of the policy")
        template = self._templates.get(name)
        if template is None:
            path = Path(self._config.template_dir, "en", f"{name}.html")
            try:
                template = self._templates[name] = path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError):
                if name != "success":
                    raise not_found("The policy cannot be read") from None
                template = self._templates[name] = (
                    "<!DOCTYPE html><title>Thank you</title><p>You have agreed. Thank you!</p>"
                )
        return template
