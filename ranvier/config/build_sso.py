"""`sso`, `oidc_providers` and `cas_config` as typed objects."""

import importlib.util
import re
from typing import Any, Final

from ranvier.config.secret_files import SecretFiles
from ranvier.config.sso_sections import (
    AttributeRequirement,
    CasConfig,
    ClientKey,
    OidcConfig,
    OidcMapping,
    SsoConfig,
)
from ranvier.config.values import Values

_OIDC: Final = "oidc_providers"
_MAPPER: Final = "user_mapping_provider"
_IDP_ID: Final = re.compile(r"[A-Za-z0-9._~-]{1,250}")
_BRAND: Final = re.compile(r"[a-z][a-z0-9._-]{0,254}")
_FALLBACK_PAGE: Final = "_matrix/static/client/login"
# The name under which existing configurations ask for the mapping by templates.
_TEMPLATES_BY_NAME: Final = re.compile(r"synapse\.handlers\.oidc(?:_handler)?\.JinjaOidcMappingProvider")


def build_sso(values: Values, files: SecretFiles, *, public_baseurl: str) -> SsoConfig | None:
    """`None` where nobody but this server tells who somebody is."""
    oidc = tuple(_provider(item, files) for item in values.items(_OIDC))
    cas = _cas(values) if values.boolean("cas_config.enabled") else None
    seen: set[str] = set()
    for provider in oidc:
        if provider.idp_id in seen:
            values.error(_OIDC, f"there are two providers with idp_id {provider.idp_id}")
        seen.add(provider.idp_id)
    if oidc and importlib.util.find_spec("jwt") is None:
        values.error(_OIDC, "needs what reads signed tokens: pip install 'ranvier[oidc]'")
    if not oidc and cas is None:
        return None
    return SsoConfig(
        client_whitelist=(*values.texts("sso.client_whitelist"), f"{public_baseurl.rstrip('/')}/{_FALLBACK_PAGE}"),
        update_profile_information=values.boolean("sso.update_profile_information"),
        oidc=oidc,
        cas=cas,
    )


def _provider(item: Values, files: SecretFiles) -> OidcConfig:
    idp_id = item.text_or_none("idp_id") or ""
    if idp_id and not _IDP_ID.fullmatch(idp_id):
        item.error("idp_id", "expected at most 250 of the characters A-Z, a-z, 0-9 and . _ ~ -")
    additional = item.mapping("additional_authorization_parameters")
    provider = OidcConfig(
        idp_id="oidc" if idp_id == "oidc" else f"oidc-{idp_id}",
        idp_name=item.text_or_none("idp_name") or idp_id,
        idp_icon=_icon(item, "idp_icon"),
        idp_brand=_brand(item, "idp_brand"),
        discover=item.boolean("discover"),
        issuer=item.text_or_none("issuer") or "",
        client_id=item.text_or_none("client_id") or "",
        client_secret=files.secret(item, "client_secret"),
        client_key=_client_key(item),
        client_auth_method=item.text("client_auth_method"),
        pkce_method=item.text("pkce_method"),
        scopes=item.texts("scopes"),
        authorization_endpoint=item.text_or_none("authorization_endpoint"),
        token_endpoint=item.text_or_none("token_endpoint"),
        userinfo_endpoint=item.text_or_none("userinfo_endpoint"),
        jwks_uri=item.text_or_none("jwks_uri"),
        skip_verification=item.boolean("skip_verification"),
        user_profile_method=item.text("user_profile_method"),
        allow_existing_users=item.boolean("allow_existing_users"),
        enable_registration=item.get("enable_registration") is not False,
        mapping=_mapping(item),
        attribute_requirements=_requirements(item, "attribute_requirements"),
        algorithms=item.texts("id_token_signing_alg_values_supported")
        if item.is_set("id_token_signing_alg_values_supported")
        else None,
        redirect_uri=item.text_or_none("redirect_uri"),
        additional_parameters={name: str(value) for name, value in additional.items()},
        passthrough_parameters=item.texts("passthrough_authorization_parameters"),
    )
    _check(item, provider)
    return provider


def _check(item: Values, provider: OidcConfig) -> None:
    """What must hold between the options of one provider."""
    if provider.client_secret is not None and provider.client_key is not None:
        item.error("client_secret_jwt_key", "is set beside client_secret; only one of them may be")
    if provider.client_auth_method != "none" and provider.client_secret is None and provider.client_key is None:
        item.error("client_auth_method", f"{provider.client_auth_method} needs client_secret or client_secret_jwt_key")
    if not provider.discover:
        for name in ("authorization_endpoint", "token_endpoint"):
            if not item.is_set(name):
                item.error("discover", f"without discovery {name} is needed")
        needed = "jwks_uri" if "openid" in provider.scopes else "userinfo_endpoint"
        if not item.is_set(needed):
            item.error("discover", f"without discovery {needed} is needed for these scopes")
    if provider.algorithms is not None and "none" in provider.algorithms:
        item.error("id_token_signing_alg_values_supported", "may not hold none: such a token is signed by nobody")


def _client_key(item: Values) -> ClientKey | None:
    section = "client_secret_jwt_key"
    path = item.text_or_none(f"{section}.key_file")
    key = item.text_or_none(f"{section}.key")
    if path is not None and key is not None:
        item.error(f"{section}.key_file", "is set beside key; only one of them may be")
    if path is not None:
        try:
            with open(path, encoding="utf-8") as file:
                key = file.read()
        except (OSError, UnicodeDecodeError) as error:
            item.error(f"{section}.key_file", f"cannot read {path}: {getattr(error, 'strerror', error)}")
            return None
    if key is None:
        if item.is_written(section):
            item.error(section, "needs key or key_file")
        return None
    header = item.mapping(f"{section}.jwt_header")
    if not isinstance(header.get("alg"), str):
        item.error(f"{section}.jwt_header", "needs alg, with what the secret is signed")
    return ClientKey(key=key, header=header, payload=item.mapping(f"{section}.jwt_payload"))


def _mapping(item: Values) -> OidcMapping:
    module = item.text_or_none(f"{_MAPPER}.module")
    if module is not None and not _TEMPLATES_BY_NAME.fullmatch(module):
        item.error(
            f"{_MAPPER}.module", f"{module} cannot be loaded: this server maps users by the templates in config only"
        )
    config = f"{_MAPPER}.config"
    subject = item.text(f"{config}.subject_template")
    if item.is_set(f"{config}.subject_claim"):
        if item.is_set(f"{config}.subject_template"):
            item.error(f"{config}.subject_claim", "is set beside subject_template; only one of them may be")
        subject = "{{ user[" + repr(item.text(f"{config}.subject_claim")) + "] }}"
    return OidcMapping(
        subject_template=subject,
        localpart_template=item.text_or_none(f"{config}.localpart_template"),
        confirm_localpart=item.boolean(f"{config}.confirm_localpart"),
        display_name_template=item.text_or_none(f"{config}.display_name_template"),
        email_template=item.text_or_none(f"{config}.email_template"),
        extra_attributes=item.mapping(f"{config}.extra_attributes"),
    )


def _requirements(item: Values, option: str) -> tuple[AttributeRequirement, ...]:
    found = []
    for written in item.get(option) or ():
        attribute = written.get("attribute")
        one_of = [written["value"]] if "value" in written else written.get("one_of")
        if not isinstance(attribute, str) or not (one_of is None or isinstance(one_of, list)):
            item.error(option, "expected mappings with attribute, and value or one_of")
            continue
        found.append(AttributeRequirement(attribute=attribute, one_of=_texts(one_of)))
    return tuple(found)


def _texts(values: list[Any] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(str(value) for value in values)


def _cas(values: Values) -> CasConfig | None:
    server_url = values.text_or_none("cas_config.server_url")
    if server_url is None:
        values.error("cas_config", "needs server_url")
        return None
    version = values.integer_or_none("cas_config.protocol_version")
    if version not in (None, 1, 2, 3):
        values.error("cas_config.protocol_version", "expected 1, 2 or 3")
    required = values.mapping("cas_config.required_attributes")
    if required and version in (1, 2):
        values.error("cas_config.required_attributes", "needs protocol_version: 3, which tells attributes")
    return CasConfig(
        idp_name=values.text_or_none("cas_config.idp_name") or "CAS",
        idp_icon=_icon(values, "cas_config.idp_icon"),
        idp_brand=_brand(values, "cas_config.idp_brand"),
        server_url=server_url.rstrip("/"),
        protocol_version=version,
        displayname_attribute=values.text_or_none("cas_config.displayname_attribute"),
        required_attributes=tuple(
            AttributeRequirement(attribute=name, one_of=None if value is None else (str(value),))
            for name, value in required.items()
        ),
        enable_registration=values.boolean("cas_config.enable_registration"),
        allow_numeric_ids=values.boolean("cas_config.allow_numeric_ids"),
        numeric_ids_prefix=values.text("cas_config.numeric_ids_prefix"),
    )


def _icon(values: Values, option: str) -> str | None:
    icon = values.text_or_none(option)
    if icon is not None and not icon.startswith("mxc://"):
        values.error(option, "expected an mxc:// URI")
    return icon


def _brand(values: Values, option: str) -> str | None:
    brand = values.text_or_none(option)
    if brand is not None and not _BRAND.fullmatch(brand):
        values.error(option, "expected a-z first, then a-z, 0-9 and . _ -, at most 255 characters")
    return brand
