"""Registration files of application services: what is wrong is said with file and key, all of it at once."""

from pathlib import Path

import pytest

from ranvier.config.changes import changes_between
from ranvier.config.load import ConfigError, from_yaml_text
from ranvier.config.model import Config

BRIDGE = """\
id: "IRC Bridge"
url: "http://127.0.0.1:1234"
as_token: "30c05ae90a248a4188e620216fa72e349803310ec83e2a77b34fe90be6081f46"
hs_token: "312df522183efd404ec1cd22d2ffa4bbc76a8c1ccf541dd692eef281356bb74e"
sender_localpart: "_irc_bot"
namespaces:
  users:
    - exclusive: true
      regex: "@_irc_bridge_.*"
  aliases:
    - exclusive: false
      regex: "#_irc_bridge_.*"
  rooms: []
"""


def read(tmp_path: Path, *texts: str) -> Config:
    names = [f"service{number}.yaml" for number in range(len(texts))]
    for name, text in zip(names, texts, strict=True):
        (tmp_path / name).write_text(text)
    listed = "".join(f"  - {tmp_path / name}\n" for name in names)
    return from_yaml_text(f"server_name: test\napp_service_config_files:\n{listed}")


def errors(tmp_path: Path, *texts: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        read(tmp_path, *texts)
    return [error.replace(f"{tmp_path}/", "") for error in raised.value.errors]


def test_sr_39_all_keys(tmp_path: Path) -> None:
    (service,) = read(tmp_path, BRIDGE).application_services
    assert (service.id, service.url, service.sender) == ("IRC Bridge", "http://127.0.0.1:1234", "@_irc_bot:test")
    assert (service.as_token[:4], service.hs_token[:4]) == ("30c0", "312d")
    assert [(found.exclusive, found.regex) for found in service.users] == [(True, "@_irc_bridge_.*")]
    assert [(found.exclusive, found.regex) for found in service.aliases] == [(False, "#_irc_bridge_.*")]
    assert (service.rooms, service.rate_limited, service.receive_ephemeral, service.protocols) == ((), True, False, ())


def test_what_may_be_left_out_and_what_drafts_call_otherwise(tmp_path: Path) -> None:
    more = "rate_limited: false\nprotocols: [irc]\nde.sorunome.msc2409.push_ephemeral: true\nreceive_ephemeral: true\n"
    config = read(tmp_path, BRIDGE.replace('"http://127.0.0.1:1234"', "null") + more)
    (service,) = config.application_services
    assert (service.url, service.rate_limited, service.protocols) == (None, False, ("irc",))
    assert config.warnings == ()


def test_tokens_are_not_shown(tmp_path: Path) -> None:
    config = read(tmp_path, BRIDGE)
    assert "30c05ae" not in repr(config)
    assert "312df52" not in repr(config)


@pytest.mark.parametrize("key", ["id", "url", "as_token", "hs_token", "sender_localpart", "namespaces"])
def test_sr_38_required_keys(tmp_path: Path, key: str) -> None:
    text = BRIDGE.replace(f"\n{key}:", "\nother:") if key != "id" else BRIDGE.replace("id:", "other:", 1)
    assert f"service0.yaml:1: {key}: is required" in errors(tmp_path, text)


def test_everything_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    broken = (
        "id: 5\nurl: irc\nas_token: ''\nhs_token: [x]\nsender_localpart: 'a:b'\n"
        "namespaces:\n  users:\n    - {exclusive: yes please, regex: '['}\n    - {regex: x}\n"
    )
    found = errors(tmp_path, broken, "id: [", BRIDGE)
    assert [error.partition(": expected")[0] for error in found] == [
        "service0.yaml:1: id",
        "service0.yaml:2: url",
        "service0.yaml:4: hs_token",
        "service0.yaml:8: namespaces.users[0].exclusive",
        "service0.yaml:8: namespaces.users[0].regex",
        "service0.yaml:9: namespaces.users[1].exclusive: is required",
        "service0.yaml:3: as_token: must not be empty",
        "service0.yaml:5: sender_localpart: @a:b:test is not a user id",
        *found[8:],
    ]
    assert found[8].startswith("service1.yaml:")
    assert "not valid YAML" in found[8]
    assert len(found) == 9


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        from_yaml_text(f"server_name: test\napp_service_config_files: [{tmp_path}/none.yaml]\n")
    assert raised.value.errors == (
        f"homeserver.yaml:2: option app_service_config_files: cannot read {tmp_path}/none.yaml: "
        "No such file or directory",
    )


def test_ids_and_tokens_are_unique(tmp_path: Path) -> None:
    assert errors(tmp_path, BRIDGE, BRIDGE) == [
        "service1.yaml:1: id: the same IRC Bridge stands in service0.yaml:1",
        "service1.yaml:3: as_token: the same stands in service0.yaml:3",
    ]


def test_a_changed_file_needs_a_restart(tmp_path: Path) -> None:
    old = read(tmp_path, BRIDGE)
    assert changes_between(old, read(tmp_path, BRIDGE)).need_restart == ()
    new = read(tmp_path, BRIDGE.replace("@_irc_bridge_.*", "@_irc_.*"))
    assert changes_between(old, new).need_restart == ("application_services (what its file holds)",)
