"""Options: single sign-on with CAS and JWT, and the authentication service."""

from ranvier.config.kinds import BOOL, COUNT, OBJECT, SECTION, STRING, URL, list_of
from ranvier.config.option import Option

OPTIONS = (
    Option("cas_config.enabled", BOOL, False, "CAS on", honoured=True),
    Option("cas_config.server_url", URL, None, "CAS server", honoured=True),
    Option("cas_config.displayname_attribute", STRING, None, "Display name attribute", honoured=True),
    Option("cas_config.required_attributes", OBJECT, {}, "All must exist and match", honoured=True),
    Option("sso.client_whitelist", list_of(STRING), [], "Redirects needing no confirmation", honoured=True),
    Option("sso.update_profile_information", BOOL, False, "Refresh display name on each login", honoured=True),
    Option("jwt_config.enabled", BOOL, False, "org.matrix.login.jwt on", honoured=True),
    Option("jwt_config.secret", STRING, None, "HMAC secret or public key", honoured=True),
    Option("jwt_config.algorithm", STRING, None, "JWS algorithm", honoured=True),
    Option("jwt_config.subject_claim", STRING, "sub", "Claim with the localpart", honoured=True),
    Option("jwt_config.issuer", STRING, None, "Required iss", honoured=True),
    Option("jwt_config.audiences", list_of(STRING), None, "Required aud; an aud without this fails", honoured=True),
    Option("matrix_authentication_service", SECTION, None, "Delegate auth to MAS"),
    Option("matrix_authentication_service.enabled", BOOL, False, "On/off"),
    Option("matrix_authentication_service.endpoint", STRING, "http://localhost:8080", "MAS base URL"),
    Option("matrix_authentication_service.force_http2", BOOL, False, "h2c to MAS"),
    Option("matrix_authentication_service.secret", STRING, None, "Shared secret"),
    Option("matrix_authentication_service.secret_path", STRING, None, "Same from a file"),
    Option("cas_config.idp_name", STRING, None, "Shown name", honoured=True),
    Option("cas_config.idp_icon", STRING, None, "Icon", honoured=True),
    Option("cas_config.idp_brand", STRING, None, "Brand", honoured=True),
    Option("cas_config.protocol_version", COUNT, None, "1, 2 or 3 (3 needed for required_attributes)", honoured=True),
    Option("cas_config.enable_registration", BOOL, True, "Create users on first login", honoured=True),
    Option("cas_config.allow_numeric_ids", BOOL, False, "Allow all-digit ids", honoured=True),
    Option("cas_config.numeric_ids_prefix", STRING, "u", "Prefix for them", honoured=True),
    Option("jwt_config.display_name_claim", STRING, None, "Display name claim", honoured=True),
)
