"""What the configuration says about getting into an account: frozen, typed, named as in the file."""

from dataclasses import dataclass


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
