"""Options: single sign-on with OpenID Connect."""

from ranvier.config.kinds import BOOL, LIST, OBJECT, PATH, STRING, URL, list_of, map_of, one_of
from ranvier.config.option import Option

OPTIONS = (
    Option(
        "oidc_providers", LIST, [], "OIDC/OAuth2 providers (legacy single oidc_config has idp_id oidc)", honoured=True
    ),
    Option("oidc_providers[].idp_id", STRING, None, "Stable identifier", required=True, honoured=True),
    Option("oidc_providers[].idp_name", STRING, None, "Display name", required=True, honoured=True),
    Option("oidc_providers[].idp_icon", STRING, None, "Icon", honoured=True),
    Option("oidc_providers[].idp_brand", STRING, None, "Brand hint", honoured=True),
    Option("oidc_providers[].discover", BOOL, True, "Use discovery", honoured=True),
    Option("oidc_providers[].issuer", URL, None, "Issuer", required=True, honoured=True),
    Option("oidc_providers[].client_id", STRING, None, "Client id", required=True, honoured=True),
    Option("oidc_providers[].client_secret", STRING, None, "Client secret", honoured=True),
    Option(
        "oidc_providers[].client_secret_jwt_key.key", STRING, None, "Signing key of a JWT client secret", honoured=True
    ),
    Option("oidc_providers[].client_secret_jwt_key.key_file", PATH, None, "Same in a file", honoured=True),
    Option(
        "oidc_providers[].client_secret_jwt_key.jwt_header", OBJECT, None, "JWT header", required=True, honoured=True
    ),
    Option("oidc_providers[].client_secret_jwt_key.jwt_payload", OBJECT, {}, "JWT payload", honoured=True),
    Option(
        "oidc_providers[].client_auth_method",
        one_of("client_secret_basic", "client_secret_post", "none"),
        "client_secret_basic",
        "Token endpoint auth",
        honoured=True,
    ),
    Option("oidc_providers[].pkce_method", one_of("auto", "always", "never"), "auto", "PKCE", honoured=True),
    Option("oidc_providers[].scopes", list_of(STRING), ["openid"], "Scopes", honoured=True),
    Option("oidc_providers[].authorization_endpoint", URL, None, "Endpoint", honoured=True),
    Option("oidc_providers[].token_endpoint", URL, None, "Endpoint", honoured=True),
    Option("oidc_providers[].userinfo_endpoint", URL, None, "Endpoint", honoured=True),
    Option("oidc_providers[].jwks_uri", URL, None, "Keys", honoured=True),
    Option("oidc_providers[].skip_verification", BOOL, False, "Skip metadata verification", honoured=True),
    Option(
        "oidc_providers[].user_profile_method",
        one_of("auto", "userinfo_endpoint"),
        "auto",
        "Where the profile comes from",
        honoured=True,
    ),
    Option("oidc_providers[].allow_existing_users", BOOL, False, "Match an existing account", honoured=True),
    Option("oidc_providers[].user_mapping_provider.module", STRING, None, "Mapping class", honoured=True),
    Option(
        "oidc_providers[].user_mapping_provider.config.subject_template",
        STRING,
        "{{ user.sub }}",
        "Unique id",
        honoured=True,
    ),
    Option(
        "oidc_providers[].user_mapping_provider.config.subject_claim",
        STRING,
        "sub",
        "Claim with the unique id; subject_template is preferred",
        honoured=True,
    ),
    Option(
        "oidc_providers[].user_mapping_provider.config.picture_template",
        STRING,
        "{{ user.picture }}",
        "Avatar URL (monolith only)",
    ),
    Option(
        "oidc_providers[].user_mapping_provider.config.picture_claim",
        STRING,
        "picture",
        "Claim with the avatar; picture_template is preferred",
    ),
    Option(
        "oidc_providers[].user_mapping_provider.config.localpart_template",
        STRING,
        None,
        "Localpart; filter localpart_from_email",
        honoured=True,
    ),
    Option(
        "oidc_providers[].user_mapping_provider.config.confirm_localpart",
        BOOL,
        False,
        "Let the user edit it",
        honoured=True,
    ),
    Option(
        "oidc_providers[].user_mapping_provider.config.display_name_template",
        STRING,
        None,
        "Display name at first login",
        honoured=True,
    ),
    Option("oidc_providers[].user_mapping_provider.config.email_template", STRING, None, "Email", honoured=True),
    Option(
        "oidc_providers[].user_mapping_provider.config.extra_attributes",
        map_of(STRING),
        {},
        "Extra fields in the login response",
        honoured=True,
    ),
    Option(
        "oidc_providers[].backchannel_logout_enabled",
        BOOL,
        False,
        "Accept POST /_synapse/client/oidc/backchannel_logout",
    ),
    Option("oidc_providers[].backchannel_logout_ignore_sub", BOOL, False, "Do not compare sub"),
    Option(
        "oidc_providers[].attribute_requirements",
        list_of(OBJECT),
        [],
        "All must match; list claims match any element",
        honoured=True,
    ),
    Option("oidc_providers[].client_secret_path", STRING, None, "Secret from a file", honoured=True),
    Option(
        "oidc_providers[].id_token_signing_alg_values_supported",
        list_of(STRING),
        None,
        "Accepted ID token algorithms",
        honoured=True,
    ),
    Option("oidc_providers[].redirect_uri", STRING, None, "Override redirect_uri", honoured=True),
    Option(
        "oidc_providers[].additional_authorization_parameters",
        OBJECT,
        None,
        "Extra parameters of the authorization URL",
        honoured=True,
    ),
    Option(
        "oidc_providers[].passthrough_authorization_parameters",
        list_of(STRING),
        None,
        "Parameters copied from the redirect request",
        honoured=True,
    ),
    Option("oidc_providers[].enable_registration", BOOL, None, "Create users on first login", honoured=True),
)
