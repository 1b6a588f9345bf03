"""Options: signing keys and secrets."""

from ranvier.config.kinds import BASE64, BOOL, COUNT, DURATION, LIST, PATH, SECTION, STRING, map_of
from ranvier.config.option import Option

OPTIONS = (
    Option(
        "macaroon_secret_key",
        STRING,
        None,
        "Signs short-lived tokens; registration_shared_secret, else derived from the signing key, when not set",
        honoured=True,
    ),
    Option("form_secret", STRING, None, "HMAC key of consent forms", honoured=True),
    Option(
        "signing_key_path",
        PATH,
        None,
        "Signing key, created if missing; <config directory>/<server_name>.signing.key when not set",
        honoured=True,
    ),
    Option("old_signing_keys", SECTION, {}, "Old public keys", honoured=True),
    Option("old_signing_keys.*.key", BASE64, None, "Public key", required=True, honoured=True),
    Option("old_signing_keys.*.expired_ts", COUNT, None, "When last used", required=True, honoured=True),
    Option("key_refresh_interval", DURATION, "1d", "Validity of our published keys (valid_until_ts)", honoured=True),
    Option(
        "trusted_key_servers",
        LIST,
        [{"server_name": "matrix.org"}],
        "Notaries, tried in parallel; [] = ask origins only",
        honoured=True,
    ),
    Option("trusted_key_servers[].server_name", STRING, None, "Notary", required=True, honoured=True),
    Option("trusted_key_servers[].verify_keys", map_of(BASE64), None, "Require its signature", honoured=True),
    Option(
        "trusted_key_servers[].accept_keys_insecurely",
        BOOL,
        False,
        "Allow unverified TLS without verify_keys",
        honoured=True,
    ),
    Option("suppress_key_server_warning", BOOL, False, "Silence the matrix.org warning", honoured=True),
    Option("key_server_signing_keys_path", PATH, None, "Keys used when acting as notary", honoured=True),
    Option("macaroon_secret_key_path", STRING, None, "Secret from a file", honoured=True),
    Option("form_secret_path", STRING, None, "Secret from a file", honoured=True),
    Option(
        "signing_key",
        STRING,
        None,
        "Signing key itself, as a line of its file; signing_key_path is then not read",
        honoured=True,
    ),
)
