"""What the configuration says about single sign-on: frozen, typed, named as in the file."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeRequirement:
    """What an attribute of a user must be, so that the user may come in."""

    attribute: str
    one_of: tuple[str, ...] | None
    """`None`: whatever it is, as long as it is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientKey:
    """`client_secret_jwt_key`: with what the client's secret is signed."""

    key: str = field(repr=False)
    header: Mapping[str, object]
    payload: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcMapping:
    """`user_mapping_provider.config`: Jinja2 templates, which see the claims as `user`."""

    subject_template: str
    localpart_template: str | None
    confirm_localpart: bool
    display_name_template: str | None
    email_template: str | None
    extra_attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcConfig:
    """One of `oidc_providers`."""

    idp_id: str
    idp_name: str
    idp_icon: str | None
    idp_brand: str | None
    discover: bool
    issuer: str
    client_id: str
    client_secret: str | None = field(repr=False)
    client_key: ClientKey | None
    client_auth_method: str
    pkce_method: str
    scopes: tuple[str, ...]
    authorization_endpoint: str | None
    token_endpoint: str | None
    userinfo_endpoint: str | None
    jwks_uri: str | None
    skip_verification: bool
    user_profile_method: str
    allow_existing_users: bool
    enable_registration: bool
    mapping: OidcMapping
    attribute_requirements: tuple[AttributeRequirement, ...]
    algorithms: tuple[str, ...] | None
    """With which ID tokens may be signed; `None`: as the provider says."""
    redirect_uri: str | None
    additional_parameters: Mapping[str, str]
    passthrough_parameters: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CasConfig:
    """`cas_config`."""

    idp_name: str
    idp_icon: str | None
    idp_brand: str | None
    server_url: str
    protocol_version: int | None
    displayname_attribute: str | None
    required_attributes: tuple[AttributeRequirement, ...]
    enable_registration: bool
    allow_numeric_ids: bool
    numeric_ids_prefix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SsoConfig:
    """`sso`, and who tells who somebody is."""

    client_whitelist: tuple[str, ...]
    """Beginnings of addresses to which users are sent without being asked."""
    update_profile_information: bool
    oidc: tuple[OidcConfig, ...]
    cas: CasConfig | None
