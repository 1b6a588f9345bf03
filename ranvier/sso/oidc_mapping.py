"""What an OpenID provider's claims make of a user: the templates of `user_mapping_provider.config`."""

from collections.abc import Mapping
from typing import Any

from ranvier.config.sso_sections import OidcConfig
from ranvier.sso.provider import Identity, SignOnFailed, check_requirements
from ranvier.templates import TemplateFault, Templates


def identity_of(claims: Mapping[str, Any], *, config: OidcConfig, templates: Templates) -> Identity:
    """Raises `SignOnFailed` for who may not come in, or cannot be told from others."""
    check_requirements(claims, config.attribute_requirements)
    mapping = config.mapping

    def fill(template: str | None) -> str | None:
        if template is None:
            return None
        try:
            return templates.render_text(template, {"user": claims}).strip() or None
        except TemplateFault as fault:
            raise SignOnFailed("mapping_error", "What the provider says of you cannot be used here.") from fault

    external_id = fill(mapping.subject_template)
    if external_id is None:
        raise SignOnFailed("mapping_error", "The provider does not say who you are.")
    # What nobody has proved must not become an address by which a password can be set anew.
    email = None if claims.get("email_verified") is False else fill(mapping.email_template)
    return Identity(
        external_id=external_id,
        localpart=fill(mapping.localpart_template),
        confirm_localpart=mapping.confirm_localpart,
        display_name=fill(mapping.display_name_template),
        emails=() if email is None else (email,),
        extra_attributes={
            name: value for name, template in mapping.extra_attributes.items() if (value := fill(template)) is not None
        },
    )
