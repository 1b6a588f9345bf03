"""What is wrong is said with its line, all of it at once."""

import pytest

from ranvier.config.load import ConfigError, from_yaml_text, parse


def _errors(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as raised:
        from_yaml_text(text)
    return raised.value.errors


def test_a_wrong_type_is_said_with_file_line_and_path() -> None:
    assert _errors("server_name: test\n\nenable_registration: 'yes'\n") == (
        "homeserver.yaml:3: option enable_registration: expected true or false, got the text yes",
    )


def test_several_errors_are_said_at_once() -> None:
    errors = _errors(
        "server_name: UPPER\nlisteners:\n  - port: http\n    resources:\n      - names: [client, everything]\n"
        "bcrypt_rounds: 99\nsession_lifetime: soon\n"
    )
    assert [error.split(": expected")[0] for error in errors] == [
        "homeserver.yaml:1: option server_name",
        "homeserver.yaml:3: option listeners[0].port",
        "homeserver.yaml:5: option listeners[0].resources[0].names[1]",
        "homeserver.yaml:6: option bcrypt_rounds",
        "homeserver.yaml:7: option session_lifetime",
    ]


def test_an_element_of_a_list_has_its_own_line() -> None:
    (error,) = _errors("server_name: test\nip_range_whitelist:\n  - 10.0.0.0/8\n  - everywhere\n")
    assert error.startswith("homeserver.yaml:4: option ip_range_whitelist[1]: expected an IP address")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "option server_name: is required"),
        ("server_name: [a]", "option server_name: expected a server name"),
        ("server_name: test\nlisteners: 8008", "option listeners: expected a list, got the number 8008"),
        ("server_name: test\nlisteners: [8008]", "option listeners[0]: expected a mapping, got the number 8008"),
        ("server_name: test\nemail: me@example.org", "option email: expected a mapping"),
        ("server_name: test\nrc_message: 5", "option rc_message: expected a mapping"),
        ("server_name: test\nrc_message: {per_second: -1}", "option rc_message.per_second: expected a number"),
        ("server_name: test\nrc_joins: {local: {burst_count: 1.5}}", "option rc_joins.local.burst_count: expected a"),
        ("server_name: test\nmax_upload_size: 50 bananas", "option max_upload_size: expected a size"),
        ("server_name: test\npublic_baseurl: example.org", "option public_baseurl: expected an http or https URL"),
        ("server_name: test\ngc_thresholds: [1, 2]", "option gc_thresholds: expected a list of three"),
        ("server_name: test\nlog_config: 5", "expected a path, got the number 5"),
        ("server_name: test\ndefault_room_version: 99", "option default_room_version: expected one of 1, 2,"),
        ("server_name: test\nform_secret: 5", "option form_secret: expected text, got a number (put it in quotes)"),
        ("server_name: test\nallowed_local_3pids: [{medium: email, pattern: '['}]", "expected a regular expression"),
    ],
)
def test_mistakes(text: str, problem: str) -> None:
    assert any(problem in error for error in _errors(text)), _errors(text)


def test_secrets_are_not_shown() -> None:
    (error,) = _errors("server_name: test\nregistration_shared_secret: 1234567890\n")
    assert "1234567890" not in error


def test_a_configuration_does_not_show_its_secrets_either() -> None:
    config = parse(
        {
            "server_name": "test",
            "registration_shared_secret": "HIDDEN",
            "macaroon_secret_key": "HIDDEN",
            "form_secret": "HIDDEN",
            "signing_key": "ed25519 a_x " + "HIDDEN" * 7 + "A",
            "password_config": {"pepper": "HIDDEN"},
            "turn_shared_secret": "HIDDEN",
            "database": {"name": "psycopg2", "args": {"password": "HIDDEN"}},
        }
    )
    assert "HIDDEN" not in repr(config)


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("server_name: [\n", 2, "not valid YAML"),
        ("server_name: test\n\tlisteners: x", 2, "not valid YAML"),
        ("- a\n- b", 1, "expected a mapping of options"),
        ("a: 1\n---\nb: 2", 2, "not valid YAML"),
        ("a: &loop\n  b: *loop\n", 1, "an alias stands inside what it names"),
        ("? [a, b]\n: 1", 1, "a key must be a word"),
        ("a: \x07", 1, "not valid YAML"),
    ],
)
def test_what_is_not_a_yaml_mapping(text: str, line: int, problem: str) -> None:
    (error,) = _errors(text)
    assert problem in error
    assert error.startswith(f"homeserver.yaml:{line}:")


@pytest.mark.parametrize(
    ("unknown", "advice"),
    [
        ("enable_registraton: true", "unknown option enable_registraton; did you mean enable_registration?"),
        ("rc_login: {adress: {}}", "unknown option rc_login.adress; did you mean address?"),
        ("something_of_my_own: 5", "unknown option something_of_my_own"),
    ],
)
def test_an_unknown_option_is_a_warning_with_the_nearest_name(unknown: str, advice: str) -> None:
    warnings = from_yaml_text(f"server_name: test\n{unknown}\n").warnings
    assert warnings == (f"homeserver.yaml:2: {advice}",)


def test_free_mappings_hold_what_they_like() -> None:
    config = from_yaml_text("server_name: test\nextra_well_known_client_content:\n  org.example: {a: [1]}\n")
    assert config.warnings == ()
    assert config.extra_well_known_client_content == {"org.example": {"a": [1]}}


def test_a_key_given_twice_is_a_warning() -> None:
    config = from_yaml_text("server_name: one\nserver_name: two\n")
    assert config.server_name == "two"
    assert config.warnings == ("homeserver.yaml:2: server_name is given twice; the last one counts",)


def test_merge_keys_and_anchors_work() -> None:
    config = from_yaml_text(
        "server_name: test\nrc_message: &slow {per_second: 1, burst_count: 2}\nrc_registration:\n  <<: *slow\n"
        "  burst_count: 3\n"
    )
    assert (config.rc_registration.per_second, config.rc_registration.burst_count) == (1, 3)


def test_an_option_without_a_value_is_as_good_as_left_out() -> None:
    config = from_yaml_text("server_name: test\nlisteners:\nenable_registration:\nemail:\nrc_login: {address: }\n")
    assert config == from_yaml_text("server_name: test\n")


@pytest.mark.parametrize(
    "name", ["example.org", "example.org:8448", "localhost", "10.0.0.1:8008", "[::1]:8448", "a-b.c"]
)
def test_server_names(name: str) -> None:
    assert parse({"server_name": name}).server_name == name


@pytest.mark.parametrize("name", ["", "Example.org", "https://example.org", "a b", "a:b", "@a:b", "a.org/", "a:123456"])
def test_names_that_no_server_has(name: str) -> None:
    with pytest.raises(ConfigError):
        parse({"server_name": name})


class TestRegistration:
    """Nobody opens a server to robots by accident."""

    def test_open_registration_must_be_said_twice(self) -> None:
        (error,) = _errors("server_name: test\nenable_registration: true\n")
        assert "homeserver.yaml:2: option enable_registration: needs registration_requires_token: true" in error

    @pytest.mark.parametrize("guard", ["registration_requires_token", "enable_registration_without_verification"])
    def test_with_a_guard_it_starts(self, guard: str) -> None:
        assert parse({"server_name": "test", "enable_registration": True, guard: True}).enable_registration

    def test_an_address_is_a_guard(self) -> None:
        guard = {"registrations_require_3pid": ["email"], "email": {"notif_from": "noreply@example.org"}}
        assert parse({"server_name": "test", "enable_registration": True} | guard).enable_registration

    def test_a_captcha_is_a_guard(self) -> None:
        options = {"server_name": "test", "enable_registration": True, "enable_registration_captcha": True}
        with pytest.raises(ConfigError, match="enable_registration_captcha: needs recaptcha_public_key"):
            parse(options)
        assert parse(options | {"recaptcha_public_key": "a", "recaptcha_private_key": "b"}).captcha is not None
