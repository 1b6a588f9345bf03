"""Options: passwords and interactive authentication."""

from ranvier.config.kinds import BOOL, COUNT, DURATION, STRING, one_of
from ranvier.config.option import Option

OPTIONS = (
    Option("password_config.enabled", one_of(True, False, "only_for_reauth"), True, "Password login", honoured=True),
    Option("password_config.localdb_enabled", BOOL, True, "Local password database", honoured=True),
    Option("password_config.pepper", STRING, "", "Pepper; never change", honoured=True),
    Option("password_config.policy.enabled", BOOL, False, "Enforce policy (MSC2000)", honoured=True),
    Option("password_config.policy.minimum_length", COUNT, 0, "Minimum length", honoured=True),
    Option("password_config.policy.require_digit", BOOL, False, "Digit", honoured=True),
    Option("password_config.policy.require_symbol", BOOL, False, "Non-alphanumeric", honoured=True),
    Option("password_config.policy.require_lowercase", BOOL, False, "Lower case", honoured=True),
    Option("password_config.policy.require_uppercase", BOOL, False, "Upper case", honoured=True),
    Option(
        "ui_auth.session_timeout",
        DURATION,
        0,
        "Reuse a UIA validation this long (never for deactivate, password change, add 3pid)",
        honoured=True,
    ),
)
