"""Options: single sign-on with SAML."""

from ranvier.config.kinds import DURATION, LIST, OBJECT, PATH, STRING, list_of, one_of
from ranvier.config.option import Option

OPTIONS = (
    Option("saml2_config.sp_config", OBJECT, None, "pysaml2 SP config inline"),
    Option("saml2_config.config_path", PATH, None, "pysaml2 config file"),
    Option("saml2_config.saml_session_lifetime", DURATION, "15m", "Time to finish the SAML login"),
    Option("saml2_config.user_mapping_provider.module", STRING, None, "Mapping class"),
    Option(
        "saml2_config.user_mapping_provider.config.mxid_source_attribute", STRING, "uid", "Attribute for the localpart"
    ),
    Option(
        "saml2_config.user_mapping_provider.config.mxid_mapping",
        one_of("hexencode", "dotreplace"),
        "hexencode",
        "How to escape",
    ),
    Option(
        "saml2_config.grandfathered_mxid_source_attribute",
        STRING,
        "uid",
        "Attribute for the backward-compatible lookup",
    ),
    Option("saml2_config.attribute_requirements", LIST, [], "All must match"),
    Option("saml2_config.attribute_requirements[].attribute", STRING, None, "Attribute name", required=True),
    Option("saml2_config.attribute_requirements[].value", STRING, None, "Value", required=True),
    Option("saml2_config.idp_entityid", STRING, None, "Pick one IdP of several"),
    Option("saml2_config.idp_name", STRING, None, "Shown name"),
    Option("saml2_config.idp_icon", STRING, None, "Icon"),
    Option("saml2_config.idp_brand", STRING, None, "Brand"),
    Option("saml2_config.attribute_requirements[].one_of", list_of(STRING), None, "Alternative to value: any of these"),
)
