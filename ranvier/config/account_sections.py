"""What the configuration says about getting into an account: frozen, typed, named as in the file."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

USER_TYPES: Final = frozenset(("bot", "support"))
"""Those that every server knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserTypes:
    """`user_types`."""

    default: str | None = None
    """Of whom nobody says what they are."""
    extra: frozenset[str] = frozenset()
    """Besides those that every server knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginTokenConfig:
    """`login_via_existing_session`: logging a second device in with a token that the first one asked for."""

    enabled: bool
    require_ui_auth: bool
    token_timeout_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentConfig:
    """`user_consent`: the policy that users agree to."""

    template_dir: str
    """Holds a folder a language, and in it a page a version."""
    version: str
    require_at_registration: bool
    policy_name: str
    server_notice_content: Mapping[str, Any] | None
    """What users who have not agreed are told; `%(consent_uri)s` in its texts is their own link."""
    send_server_notice_to_guests: bool
    block_events_error: str | None
    """Why users who have not agreed may not speak; `None`: they may."""
