"""Options about the keys of servers."""

import base64
from pathlib import Path

import pytest

from ranvier.config.load import ConfigError, parse

KEY = base64.b64encode(b"k" * 32).decode().rstrip("=")


def test_one_server_is_believed_unless_somebody_says_otherwise() -> None:
    (trusted,) = parse({"server_name": "test"}).key_servers.trusted
    assert (trusted.server_name, trusted.verify_keys) == ("matrix.org", {})
    assert parse({"server_name": "test", "trusted_key_servers": []}).key_servers.trusted == ()


def test_believed_servers_and_their_keys() -> None:
    listed = [{"server_name": "a.test", "verify_keys": {"ed25519:1": KEY}}, {"server_name": "b.test"}]
    config = parse({"server_name": "test", "trusted_key_servers": listed})
    assert [(one.server_name, dict(one.verify_keys)) for one in config.key_servers.trusted] == [
        ("a.test", {"ed25519:1": b"k" * 32}),
        ("b.test", {}),
    ]
    assert config.warnings == ()


def test_the_usual_one_is_worth_a_warning() -> None:
    options = {"server_name": "test", "trusted_key_servers": [{"server_name": "matrix.org"}]}
    assert "matrix.org" in parse(options).warnings[0]
    assert parse({**options, "suppress_key_server_warning": True}).warnings == ()


@pytest.mark.parametrize(
    "listed",
    [
        [{"verify_keys": {}}],
        [{"server_name": "a.test", "verify_keys": {"ed25519:1": "c2hvcnQ"}}],
        [{"server_name": "a.test", "verify_keys": {"rsa:1": KEY}}],
    ],
)
def test_mistakes_are_told(listed: object) -> None:
    with pytest.raises(ConfigError, match="trusted_key_servers"):
        parse({"server_name": "test", "trusted_key_servers": listed})


def test_nobody_is_believed_who_can_be_posed_as() -> None:
    open_door = {"server_name": "test", "federation_verify_certificates": False}
    assert parse(open_door).key_servers.trusted == ()
    with pytest.raises(ConfigError, match="accept_keys_insecurely"):
        parse({**open_door, "trusted_key_servers": [{"server_name": "a.test"}]})
    for more in ({"accept_keys_insecurely": True}, {"verify_keys": {"ed25519:1": KEY}}):
        config = parse({**open_door, "trusted_key_servers": [{"server_name": "a.test", **more}]})
        assert len(config.key_servers.trusted) == 1


def test_a_notary_may_have_keys_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "notary.key"
    path.write_text(f"ed25519 n1 {KEY}\ned25519 n2 {KEY}\n")
    config = parse({"server_name": "test", "key_server_signing_keys_path": str(path)})
    assert [key.key_id for key in config.key_servers.notary_keys] == ["ed25519:n1", "ed25519:n2"]
    with pytest.raises(ConfigError, match="cannot read"):
        parse({"server_name": "test", "key_server_signing_keys_path": str(tmp_path / "none")})
    path.write_text("nonsense\n")
    with pytest.raises(ConfigError, match="not of the form"):
        parse({"server_name": "test", "key_server_signing_keys_path": str(path)})


def test_the_older_form() -> None:
    older = {"servers": {"a.test": {"verify_keys": {"ed25519:1": {"key": KEY}}}, "b.test": {}}}
    config = parse({"server_name": "test", "perspectives": older})
    assert [(one.server_name, dict(one.verify_keys)) for one in config.key_servers.trusted] == [
        ("a.test", {"ed25519:1": b"k" * 32}),
        ("b.test", {}),
    ]
    assert config.warnings == ()
    with pytest.raises(ConfigError, match="perspectives: is the older form of trusted_key_servers"):
        parse({"server_name": "test", "perspectives": older, "trusted_key_servers": []})
    with pytest.raises(ConfigError, match=r"servers\.b\.test: without verify_keys anybody could pose"):
        parse({"server_name": "test", "perspectives": older, "federation_verify_certificates": False})
    short = {"servers": {"a.test": {"verify_keys": {"ed25519:1": {"key": "c2hvcnQ"}}}}}
    with pytest.raises(ConfigError, match="ed25519:1 is not an Ed25519 key"):
        parse({"server_name": "test", "perspectives": short})
