"""`login_via_existing_session` and `user_consent` as typed objects."""

import os
import re
from typing import Final

from ranvier.config.account_sections import USER_TYPES, ConsentConfig, LoginTokenConfig, UserTypes
from ranvier.config.values import Values

# It becomes the name of a file, and the spec wants an opaque identifier.
is_policy_version: Final = re.compile(r"[0-9a-zA-Z._~-]{1,200}").fullmatch
_REFUSAL: Final = "user_consent.block_events_error"


def build_user_types(values: Values) -> UserTypes:
    """`user_types`."""
    default, extra = values.text_or_none("user_types.default_user_type"), values.texts("user_types.extra_user_types")
    known = USER_TYPES.union(extra)
    if default is not None and default not in known:
        values.error("user_types.default_user_type", f"expected one of {', '.join(sorted(known))}, got {default}")
    return UserTypes(default=default, extra=frozenset(extra))


def build_login_tokens(values: Values) -> LoginTokenConfig:
    """`login_via_existing_session`."""
    return LoginTokenConfig(
        enabled=values.boolean("login_via_existing_session.enabled"),
        require_ui_auth=values.boolean("login_via_existing_session.require_ui_auth"),
        token_timeout_ms=values.integer("login_via_existing_session.token_timeout"),
    )


def build_consent(values: Values) -> ConsentConfig | None:
    """`user_consent`; `None` where the file has none."""
    version, template_dir = values.get("user_consent.version"), values.text_or_none("user_consent.template_dir")
    required = values.boolean("user_consent.require_at_registration")
    notice, refusal = values.mapping("user_consent.server_notice_content"), values.text_or_none(_REFUSAL)
    if version is None or template_dir is None:
        if required or notice or refusal is not None:
            values.error("user_consent", "needs version and template_dir")
        return None
    if notice and not values.is_written("server_notices"):
        values.error("user_consent.server_notice_content", "needs server_notices: somebody has to send it")
    _check_listeners(values)
    if not is_policy_version(str(version)):
        values.error("user_consent.version", "expected letters, digits and . _ ~ -")
    elif not os.path.isfile(page := os.path.join(template_dir, "en", f"{version}.html")):
        values.error("user_consent.template_dir", f"there is no file {page}")
    return ConsentConfig(
        template_dir=template_dir,
        version=str(version),
        require_at_registration=required,
        policy_name=values.text("user_consent.policy_name"),
        server_notice_content=notice or None,
        send_server_notice_to_guests=values.boolean("user_consent.send_server_notice_to_guests"),
        block_events_error=refusal,
    )


def _check_listeners(values: Values) -> None:
    """A policy that nobody can read is worth a word."""
    resources = [resource for listener in values.items("listeners") for resource in listener.items("resources")]
    if resources and not any("consent" in resource.texts("names") for resource in resources):
        values.warn("user_consent", "no listener has the resource consent, which shows the policy")
