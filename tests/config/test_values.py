"""Values as the program gets them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.config.kinds import Unacceptable, one_of, parse_duration_ms, parse_size_bytes
from ranvier.config.load import ConfigError, from_yaml_text, parse
from ranvier.config.schema import OPTIONS


@pytest.mark.parametrize(
    ("written", "ms"),
    [
        (0, 0),
        (1500, 1500),
        ("1500", 1500),
        ("30s", 30_000),
        ("5m", 300_000),
        (" 5 m ", 300_000),
        ("1h", 3_600_000),
        ("7d", 604_800_000),
        ("2w", 1_209_600_000),
        ("1y", 31_536_000_000),
    ],
)
def test_durations(written: object, ms: int) -> None:
    assert parse_duration_ms(written) == ms


@pytest.mark.parametrize(("written", "size"), [(7, 7), ("10K", 10_240), ("50M", 52_428_800), ("87KiB", 89_088)])
def test_sizes(written: object, size: int) -> None:
    assert parse_size_bytes(written) == size


@pytest.mark.parametrize("written", ["", "m", "5x", "-5m", -5, 1.5, True, None, [], "5m5s", "1e3", "٥m"])
def test_what_is_no_duration(written: object) -> None:
    with pytest.raises(Unacceptable):
        parse_duration_ms(written)


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.text())))
def test_a_kind_takes_a_value_or_says_no(value: object) -> None:
    for option in OPTIONS:
        try:
            option.kind.parse(value)
        except Unacceptable:
            continue


@given(st.text(max_size=200))
def test_any_text_is_a_configuration_or_a_config_error(text: str) -> None:
    try:
        from_yaml_text(text)
    except ConfigError as error:
        assert error.errors


_yaml_like = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(sorted({o.path.split(".")[0].split("[")[0] for o in OPTIONS})), _yaml_like))
def test_any_values_are_a_configuration_or_a_config_error(options: dict[str, object]) -> None:
    # Nothing is read: a path that was drawn could be anything.
    options = {name: value for name, value in options.items() if not name.endswith("_path")}
    try:
        parse({"server_name": "test"} | options)
    except ConfigError as error:
        assert error.errors


@pytest.mark.parametrize("written", ["10", 10])
def test_a_room_version_is_a_text_or_a_bare_number(written: object) -> None:
    assert parse({"server_name": "test", "default_room_version": written}).default_room_version == "10"


@pytest.mark.parametrize("version", range(1, 13))
def test_every_room_version_may_be_the_default(version: int) -> None:
    text = f"server_name: test\ndefault_room_version: {version}\n"
    assert from_yaml_text(text).default_room_version == str(version)


def test_the_default_room_version_is_10() -> None:
    assert parse({"server_name": "test"}).default_room_version == "10"


@pytest.mark.parametrize(("written", "value"), [("off", "off"), ("'off'", "off"), ("all", "all"), ("invite", "invite")])
def test_a_word_that_yaml_takes_for_false(written: str, value: str) -> None:
    config = from_yaml_text(f"server_name: test\nencryption_enabled_by_default_for_room_type: {written}\n")
    assert config.encryption_enabled_by_default_for_room_type == value


def test_a_choice_with_false_in_it_keeps_it() -> None:
    kind = one_of(True, False, "only_for_reauth")
    assert [kind.parse(value) for value in (True, False, "only_for_reauth")] == [True, False, "only_for_reauth"]
    with pytest.raises(Unacceptable):
        kind.parse("yes")


@pytest.mark.parametrize(
    ("enabled", "login", "reauth"), [(True, True, True), (False, False, False), ("only_for_reauth", False, True)]
)
def test_passwords_for_login_and_for_confirming(enabled: object, login: bool, reauth: bool) -> None:
    passwords = parse({"server_name": "test", "password_config": {"enabled": enabled}}).password_config
    assert (passwords.enabled, passwords.enabled_for_reauth) == (login, reauth)


@pytest.mark.parametrize("written", [None, "infinity", "infinite"])
def test_lifetimes_may_be_for_ever(written: object) -> None:
    config = parse({"server_name": "test", "session_lifetime": written, "refresh_token_lifetime": written})
    assert config.session_lifetime_ms is None
    assert config.refresh_token_lifetime_ms is None


def test_lifetimes_are_milliseconds() -> None:
    config = parse(
        {
            "server_name": "test",
            "session_lifetime": "24h",
            "refreshable_access_token_lifetime": "10m",
            "nonrefreshable_access_token_lifetime": 5000,
        }
    )
    assert config.session_lifetime_ms == 86_400_000
    assert config.refreshable_access_token_lifetime_ms == 600_000
    assert config.nonrefreshable_access_token_lifetime_ms == 5000


def test_the_limit_of_timelines_may_be_none() -> None:
    assert parse({"server_name": "test"}).filter_timeline_limit == 100
    assert parse({"server_name": "test", "filter_timeline_limit": -1}).filter_timeline_limit is None


def test_half_a_rate_limit_keeps_the_other_half() -> None:
    rate = parse({"server_name": "test", "rc_message": {"burst_count": 50}}).rc_message
    assert (rate.per_second, rate.burst_count) == (0.2, 50)


def test_a_burst_may_be_written_as_a_float() -> None:
    assert parse({"server_name": "test", "rc_message": {"burst_count": 50.0}}).rc_message.burst_count == 50


def test_redactions_by_admins_have_a_limit_of_their_own_only_if_one_is_set() -> None:
    assert parse({"server_name": "test"}).rc_admin_redaction is None
    limited = parse({"server_name": "test", "rc_admin_redaction": {"per_second": 1, "burst_count": 50}})
    assert limited.rc_admin_redaction is not None
    assert limited.rc_admin_redaction.burst_count == 50


def test_the_base_url_ends_in_a_slash() -> None:
    assert parse({"server_name": "test"}).public_baseurl == "https://test/"
    config = parse({"server_name": "test", "public_baseurl": "https://matrix.example.org"})
    assert config.public_baseurl == "https://matrix.example.org/"
    assert config.public_baseurl_is_set


class TestDatabase:
    def test_sqlite_in_memory_where_a_mapping_names_none(self) -> None:
        database = parse({"server_name": "test"}).database
        assert (database.engine, database.args) == ("sqlite", {"database": ":memory:"})

    def test_arguments_of_the_pool_are_not_arguments_of_connections(self) -> None:
        args = {"user": "u", "dbname": "d", "cp_min": 2, "cp_max": 4, "cp_reconnect": True}
        database = parse({"server_name": "test", "database": {"name": "psycopg2", "args": args}}).database
        assert (database.engine, database.pool_min, database.pool_max) == ("postgres", 2, 4)
        assert database.args == {"user": "u", "dbname": "d"}

    @pytest.mark.parametrize("args", [{"database": 5}, {"cp_min": 0}, {"cp_max": "many"}])
    def test_wrong_arguments(self, args: dict[str, object]) -> None:
        with pytest.raises(ConfigError, match=r"database\.args"):
            parse({"server_name": "test", "database": {"name": "sqlite3", "args": args}})

    def test_one_database_or_several(self) -> None:
        with pytest.raises(ConfigError, match="databases: is set beside database"):
            parse(
                {
                    "server_name": "test",
                    "database": {"name": "sqlite3"},
                    "databases": {"main": {"name": "sqlite3", "data_stores": ["main"]}},
                }
            )
