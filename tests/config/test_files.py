"""Configurations in several files and folders."""

from pathlib import Path

import pytest

from ranvier.config.cache_sections import CacheSizes
from ranvier.config.load import ConfigError, load, parse

_KEY = f"signing_key: ed25519 a_test {'A' * 43}\n"


def _write(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def test_a_later_file_replaces_top_level_options(tmp_path: Path) -> None:
    first = _write(
        tmp_path / "a.yaml", f"server_name: one\n{_KEY}rc_login: {{address: {{per_second: 9}}}}\nbcrypt_rounds: 4\n"
    )
    second = _write(tmp_path / "b.yaml", "server_name: two\nrc_login: {account: {per_second: 8}}\n")
    config = load([first, second])
    assert (config.server_name, config.bcrypt_rounds) == ("two", 4)
    # The whole of rc_login was replaced, not merged.
    assert (config.rc_login.address.per_second, config.rc_login.account.per_second) == (0.17, 8)
    assert config.paths == (first, second)


def test_a_folder_is_its_yaml_files_in_order(tmp_path: Path) -> None:
    _write(tmp_path / "conf.d" / "20.yaml", "server_name: twenty\n")
    _write(tmp_path / "conf.d" / "10.yaml", f"server_name: ten\n{_KEY}")
    _write(tmp_path / "conf.d" / "99.yml", "server_name: not_read\n")
    _write(tmp_path / "conf.d" / "30.yaml" / "inner.yaml", "server_name: not_read\n")
    assert load([str(tmp_path / "conf.d")]).server_name == "twenty"


def test_errors_name_the_file_they_are_in(tmp_path: Path) -> None:
    first = _write(tmp_path / "a.yaml", "server_name: test\nbcrypt_rounds: 1\n")
    second = _write(tmp_path / "b.yaml", "\nenable_registration: perhaps\n")
    with pytest.raises(ConfigError) as raised:
        load([first, second])
    assert [error.split(": option")[0] for error in raised.value.errors] == [f"{first}:2", f"{second}:2"]


def test_every_file_that_is_no_yaml_is_named(tmp_path: Path) -> None:
    files = [_write(tmp_path / name, "a: [\n") for name in ("a.yaml", "b.yaml")]
    with pytest.raises(ConfigError) as raised:
        load(files)
    assert len(raised.value.errors) == 2


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        load([str(tmp_path / "a.yaml"), str(tmp_path / "b")])
    assert [error.split(": ")[1] for error in raised.value.errors] == ["no such file or folder"] * 2
    with pytest.raises(ConfigError, match=r"no \*\.yaml file there"):
        load([str(tmp_path)])


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        load([str(tmp_path / "a.yaml")])


def test_the_command_line_replaces_the_files(tmp_path: Path) -> None:
    file = _write(tmp_path / "a.yaml", f"server_name: test\n{_KEY}print_pidfile: false\n")
    assert load([file], overrides={"print_pidfile": True}).print_pidfile
    with pytest.raises(ConfigError, match="command line: option enable_registration: needs"):
        load([file], overrides={"enable_registration": True})


def test_the_environment_sets_the_cache_factor(tmp_path: Path) -> None:
    file = _write(tmp_path / "a.yaml", f"server_name: test\n{_KEY}caches: {{global_factor: 2, expire_caches: true}}\n")
    # The sizes are those at the usual factor, 0.5.
    assert load([file]).cache_sizes == CacheSizes(events=40 * 1024, rooms=8_000, sessions=80_000)
    environment = {"SYNAPSE_CACHE_FACTOR": "1", "SYNAPSE_CACHE_FACTOR_EVENTS": "0.25"}
    assert load([file], environment=environment).cache_sizes == CacheSizes(5 * 1024, 4_000, 40_000)
    for name in ("SYNAPSE_CACHE_FACTOR", "SYNAPSE_CACHE_FACTOR_EVENTS"):
        with pytest.raises(ConfigError, match=f"environment variable {name}: expected a number, got big"):
            load([file], environment={name: "big"})


def test_each_cache_may_have_its_own_factor() -> None:
    options = {"server_name": "test", "event_cache_size": "2K", "caches": {"per_cache_factors": {"*rooms*": 1, "x": 2}}}
    config = parse(options)
    assert config.cache_sizes == CacheSizes(events=2048, rooms=4_000, sessions=20_000)
    [warning] = config.warnings
    assert "per_cache_factors.x: no cache has this name; there are events, rooms, sessions" in warning
    assert parse({"server_name": "test", "caches": {"global_factor": 0}}).cache_sizes == CacheSizes(100, 100, 100)


def test_one_of_several_databases_is_the_database() -> None:
    entry = {"name": "psycopg2", "txn_limit": 5, "args": {"user": "u", "cp_max": 7}, "data_stores": ["main", "state"]}
    database = parse({"server_name": "test", "databases": {"all": entry}}).database
    assert (database.engine, database.txn_limit, database.pool_max) == ("postgres", 5, 7)
    assert database.args == {"user": "u"}
    other = {**entry, "data_stores": ["state"]}
    with pytest.raises(ConfigError, match=r"databases: .* keeps everything in one database"):
        parse({"server_name": "test", "databases": {"a": entry, "b": other}})
    with pytest.raises(ConfigError, match=r"databases: .*\[main, state\]"):
        parse({"server_name": "test", "databases": {"b": other}})


def test_the_database_is_in_the_data_folder_if_the_file_does_not_say(tmp_path: Path) -> None:
    file = _write(tmp_path / "a.yaml", f"server_name: test\n{_KEY}")
    assert load([file], data_directory="/data").database.args == {"database": "/data/homeserver.db"}
