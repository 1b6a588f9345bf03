"""`jwt_config` and the captcha of registration: what else the configuration says about getting in."""

import importlib.util
from dataclasses import dataclass, field
from typing import Final

from ranvier.config.secret_files import SecretFiles
from ranvier.config.values import Values

_ALGORITHMS: Final = frozenset(
    (
        "HS256",
        "HS384",
        "HS512",
        "RS256",
        "RS384",
        "RS512",
        "PS256",
        "PS384",
        "PS512",
        "ES256",
        "ES384",
        "ES512",
        "EdDSA",
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptchaConfig:
    """`recaptcha_*`."""

    public_key: str
    private_key: str = field(repr=False)
    siteverify_api: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JwtConfig:
    """`jwt_config`."""

    secret: str = field(repr=False)
    """A shared secret, or a public key."""
    algorithm: str
    subject_claim: str
    display_name_claim: str | None
    issuer: str | None
    audiences: tuple[str, ...]


def build_captcha(values: Values, files: SecretFiles) -> CaptchaConfig | None:
    """`None`: who registers need not show that they are human."""
    public, private = files.secret(values, "recaptcha_public_key"), files.secret(values, "recaptcha_private_key")
    if not values.boolean("enable_registration_captcha"):
        return None
    if public is None or private is None:
        values.error("enable_registration_captcha", "needs recaptcha_public_key and recaptcha_private_key")
        return None
    return CaptchaConfig(public_key=public, private_key=private, siteverify_api=values.text("recaptcha_siteverify_api"))


def build_jwt(values: Values) -> JwtConfig | None:
    """`None`: nobody logs in with a signed token."""
    if not values.boolean("jwt_config.enabled"):
        return None
    secret, algorithm = values.text_or_none("jwt_config.secret"), values.text_or_none("jwt_config.algorithm")
    if secret is None or algorithm is None:
        values.error("jwt_config", "needs secret and algorithm")
        return None
    if algorithm not in _ALGORITHMS:
        values.error("jwt_config.algorithm", f"expected one of {', '.join(sorted(_ALGORITHMS))}")
    if importlib.util.find_spec("jwt") is None:
        values.error("jwt_config", "needs what reads signed tokens: pip install 'ranvier[jwt]'")
    return JwtConfig(
        secret=secret,
        algorithm=algorithm,
        subject_claim=values.text("jwt_config.subject_claim"),
        display_name_claim=values.text_or_none("jwt_config.display_name_claim"),
        issuer=values.text_or_none("jwt_config.issuer"),
        audiences=values.texts("jwt_config.audiences"),
    )
