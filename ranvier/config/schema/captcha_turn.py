"""Options: captcha, TURN and MatrixRTC."""

from ranvier.config.kinds import BOOL, DURATION, LIST, OBJECT, SECTION, STRING, URL, list_of
from ranvier.config.option import Option

OPTIONS = (
    Option("recaptcha_public_key", STRING, None, "Site key", honoured=True),
    Option("recaptcha_private_key", STRING, None, "Secret key", honoured=True),
    Option("enable_registration_captcha", BOOL, False, "Require captcha at registration", honoured=True),
    Option(
        "recaptcha_siteverify_api",
        URL,
        "https://www.recaptcha.net/recaptcha/api/siteverify",
        "Verification endpoint",
        honoured=True,
    ),
    Option("turn_uris", list_of(STRING), [], "TURN servers given to clients", honoured=True),
    Option("turn_shared_secret", STRING, None, "Secret for time-limited HMAC-SHA1 credentials", honoured=True),
    Option("turn_username", STRING, None, "Static user", honoured=True),
    Option("turn_password", STRING, None, "Static password", honoured=True),
    Option("turn_user_lifetime", DURATION, "1h", "Credential life", honoured=True),
    Option("turn_allow_guests", BOOL, True, "Guests may get credentials", honoured=True),
    Option("recaptcha_public_key_path", STRING, None, "Key from a file", honoured=True),
    Option("recaptcha_private_key_path", STRING, None, "Key from a file", honoured=True),
    Option("turn_shared_secret_path", STRING, None, "Secret from a file", honoured=True),
    Option("matrix_rtc", SECTION, {}, "MatrixRTC (MSC4143)"),
    Option("matrix_rtc.transports", LIST, [], "Transports offered to clients"),
    Option("matrix_rtc.transports[].type", STRING, None, "e.g. livekit"),
    Option("matrix_rtc.transports[].livekit_service_url", STRING, None, "LiveKit JWT service"),
    Option("matrix_rtc.transports[]", OBJECT, None, "One transport; its other keys depend on its type"),
)
