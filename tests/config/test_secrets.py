"""Secrets and signing keys, in the file or in files of their own."""

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.config.load import ConfigError, load, parse
from ranvier.config.sections import SigningKey
from ranvier.config.signing_keys import format_signing_key, new_signing_key, parse_signing_keys


@pytest.mark.parametrize("option", ["registration_shared_secret", "macaroon_secret_key", "form_secret"])
def test_a_secret_may_stand_in_a_file_of_its_own(tmp_path: Path, option: str) -> None:
    (tmp_path / "secret").write_text("from the file\n")
    config = parse({"server_name": "test", f"{option}_path": str(tmp_path / "secret")})
    assert getattr(config, option) == "from the file"


def test_a_secret_has_one_place(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from the file\n")
    with pytest.raises(ConfigError, match="form_secret_path: is set beside form_secret"):
        parse({"server_name": "test", "form_secret": "x", "form_secret_path": str(tmp_path / "secret")})


def test_a_missing_secret_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"form_secret_path: cannot read .*: No such file"):
        parse({"server_name": "test", "form_secret_path": str(tmp_path / "secret")})


def test_the_registration_secret_is_made_if_its_file_is_missing(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    config_file = tmp_path / "homeserver.yaml"
    config_file.write_text(f"server_name: test\nregistration_shared_secret_path: {secret}\n")
    made = load([str(config_file)], create_missing=True).registration_shared_secret
    assert made is not None
    assert len(made) > 30
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert load([str(config_file)], create_missing=True).registration_shared_secret == made


def test_nothing_is_written_for_a_configuration_with_mistakes(tmp_path: Path) -> None:
    config_file = tmp_path / "homeserver.yaml"
    config_file.write_text("server_name: test\nbcrypt_rounds: 99\n")
    with pytest.raises(ConfigError):
        load([str(config_file)], create_missing=True)
    assert [path.name for path in tmp_path.iterdir()] == ["homeserver.yaml"]


def test_the_signing_key_is_made_beside_the_configuration(tmp_path: Path) -> None:
    config_file = tmp_path / "homeserver.yaml"
    config_file.write_text("server_name: test.example\n")
    (key,) = load([str(config_file)], create_missing=True).signing_keys
    assert (tmp_path / "test.example.signing.key").read_text() == format_signing_key(key)
    assert load([str(config_file)]).signing_keys == (key,)


def test_without_leave_to_write_a_missing_key_is_an_error(tmp_path: Path) -> None:
    config_file = tmp_path / "homeserver.yaml"
    config_file.write_text("server_name: test\n")
    with pytest.raises(ConfigError, match=r"signing_key_path: cannot read .*test\.signing\.key"):
        load([str(config_file)])


def test_a_file_may_hold_several_keys(tmp_path: Path) -> None:
    keys = [new_signing_key(), new_signing_key()]
    (tmp_path / "key").write_text("\n".join(format_signing_key(key) for key in keys))
    assert parse({"server_name": "test", "signing_key_path": str(tmp_path / "key")}).signing_keys == tuple(keys)


@given(st.binary(min_size=32, max_size=32), st.from_regex(r"a_[A-Za-z]{4}", fullmatch=True))
def test_a_key_survives_its_file(seed: bytes, version: str) -> None:
    key = SigningKey(version=version, seed=seed)
    line = format_signing_key(key)
    assert line.startswith(f"ed25519 {version} ")
    assert "=" not in line
    assert parse_signing_keys(line) == (key,)
    assert parse_signing_keys(line.strip() + "=\n") == (key,)


def test_new_keys_have_a_version_of_four_letters() -> None:
    key = new_signing_key()
    assert key.key_id.startswith("ed25519:a_")
    assert len(key.version) == 6
    assert key.version[2:].isalpha()
    assert new_signing_key() != key


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "holds no signing key"),
        ("rsa a_x AAAA", "line 1 is not of the form"),
        ("ed25519 AAAA", "line 1 is not of the form"),
        ("ed25519 a_x AAAA", "line 1 has a key of 3 bytes"),
        ("\ned25519 a_x !!!", "line 2 has a key that is not base64"),
        ("ed25519 a_x " + "A" * 41, "not base64"),
    ],
)
def test_what_is_no_key(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as raised:
        parse_signing_keys(text)
    assert "AAAA" not in str(raised.value)


def test_a_bad_key_in_the_configuration_is_said_without_showing_it() -> None:
    with pytest.raises(ConfigError) as raised:
        parse({"server_name": "test", "signing_key": "ed25519 a_x SECRET"})
    assert "signing_key: line 1" in str(raised.value)
    assert "SECRET" not in str(raised.value)


def test_old_keys() -> None:
    config = parse(
        {
            "server_name": "test",
            "old_signing_keys": {"ed25519:a_old": {"key": "A" * 43, "expired_ts": 1_600_000_000_000}},
        }
    )
    (old,) = config.old_signing_keys
    assert (old.key_id, old.public_key, old.expired_ts) == ("ed25519:a_old", bytes(32), 1_600_000_000_000)


@pytest.mark.parametrize(
    "keys",
    [{"a_old": {"key": "A" * 43, "expired_ts": 1}}, {"ed25519:a": {"key": "!", "expired_ts": 1}}, {"ed25519:a": {}}],
)
def test_old_keys_that_are_none(keys: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="old_signing_keys"):
        parse({"server_name": "test", "old_signing_keys": keys})


def test_the_secret_of_tokens_is_found_elsewhere_if_it_is_not_set() -> None:
    signing_key = f"ed25519 a_test {'A' * 43}"
    shared = parse({"server_name": "test", "signing_key": signing_key, "registration_shared_secret": "shared"})
    assert shared.macaroon_secret_key == "shared"
    derived = parse({"server_name": "test", "signing_key": signing_key}).macaroon_secret_key
    assert len(derived) == 64
    assert derived == parse({"server_name": "test", "signing_key": signing_key}).macaroon_secret_key
    assert derived != parse({"server_name": "test", "signing_key": f"ed25519 a_x {'B' * 42}A"}).macaroon_secret_key
