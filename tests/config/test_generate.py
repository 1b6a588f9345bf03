"""New configurations."""

import stat
from pathlib import Path

import pytest
import yaml

from ranvier.config.first_steps import first_steps
from ranvier.config.generate import generate_config, generate_log_config
from ranvier.config.load import ConfigError, load, parse


def _generate(folder: Path, *, name: str = "example.org", **options: object) -> Path:
    path = folder / "homeserver.yaml"
    settings: dict[str, object] = {
        "server_name": name,
        "config_directory": str(folder),
        "data_directory": str(folder / "data"),
        "report_stats": False,
    }
    assert generate_config(str(path), **(settings | options))  # type: ignore[arg-type]  # cases as a table
    return path


def test_a_new_configuration_is_complete(tmp_path: Path) -> None:
    config = load([str(_generate(tmp_path))], create_missing=True)
    assert config.server_name == "example.org"
    (listener,) = config.listeners
    assert listener.port == 8008
    assert listener.bind_addresses in (("::1", "127.0.0.1"), ("127.0.0.1",))
    assert listener.resource_names == {"client", "federation"}
    assert config.database.args == {"database": str(tmp_path / "data" / "homeserver.db")}
    assert config.log_config == str(tmp_path / "example.org.log.config")
    assert (tmp_path / "example.org.signing.key").exists()
    secrets = {config.registration_shared_secret, config.macaroon_secret_key, config.form_secret}
    assert len(secrets) == 3
    assert all(secret and len(secret) > 30 for secret in secrets)
    assert not config.enable_registration
    assert (tmp_path / "data").is_dir()


def test_a_new_configuration_has_no_unknown_options(tmp_path: Path) -> None:
    assert [
        warning for warning in load([str(_generate(tmp_path))], create_missing=True).warnings if "unkn" in warning
    ] == []


def test_a_machine_without_ipv6_gets_no_address_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError

    monkeypatch.setattr("socket.socket", refuse)
    (listener,) = load([str(_generate(tmp_path))], create_missing=True).listeners
    assert listener.bind_addresses == ("127.0.0.1",)


def test_it_is_for_its_owner_only(tmp_path: Path) -> None:
    assert stat.S_IMODE(_generate(tmp_path).stat().st_mode) == 0o600


def test_what_exists_is_kept(tmp_path: Path) -> None:
    path = _generate(tmp_path)
    before = path.read_bytes()
    assert not generate_config(
        str(path), server_name="other.org", config_directory="c", data_directory="d", report_stats=True
    )
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("options", "attribute", "value"),
    [
        ({"enable_registration": True}, "enable_registration", True),
        ({"enable_registration": True}, "registration_requires_token", True),
        ({"name": "example.org:8448"}, "server_name", "example.org:8448"),
    ],
)
def test_choices(tmp_path: Path, options: dict[str, object], attribute: str, value: object) -> None:
    config = load([str(_generate(tmp_path, **options))], create_missing=True)  # type: ignore[arg-type]  # as above
    assert getattr(config, attribute) == value


def test_what_is_said_about_statistics_is_kept(tmp_path: Path) -> None:
    assert b"\nreport_stats: true\n" in _generate(tmp_path, report_stats=True).read_bytes()


def test_private_ports_are_opened_on_demand_and_then_believe_no_proxy(tmp_path: Path) -> None:
    (listener,) = load([str(_generate(tmp_path, open_private_ports=True))], create_missing=True).listeners
    assert listener.bind_addresses == ("::", "0.0.0.0")
    assert not listener.x_forwarded


def test_paths_may_hold_anything(tmp_path: Path) -> None:
    folder = tmp_path / 'it\'s {a} "folder": # ü'
    folder.mkdir()
    config = load([str(_generate(folder))], create_missing=True)
    assert config.database.args == {"database": str(folder / "data" / "homeserver.db")}


def test_names_that_no_server_has(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--server-name: expected"):
        _generate(tmp_path, name="Not A Name")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be made: File exists"):
        generate_log_config(str(tmp_path / "file" / "log.config"), data_directory=str(tmp_path))


def test_a_new_log_configuration_rotates_a_file_in_the_data_folder(tmp_path: Path) -> None:
    path = tmp_path / "example.org.log.config"
    assert generate_log_config(str(path), data_directory=str(tmp_path / "data"))
    settings = yaml.safe_load(path.read_text())
    file = settings["handlers"]["file"]
    assert (file["filename"], file["when"], file["backupCount"]) == (
        str(tmp_path / "data" / "homeserver.log"),
        "midnight",
        3,
    )
    assert settings["formatters"]["precise"]["format"] == (
        "%(asctime)s - %(name)s - %(lineno)d - %(levelname)s - %(request)s - %(message)s"
    )
    assert settings["disable_existing_loggers"] is False


class TestFirstSteps:
    def test_without_users_it_names_the_command_for_the_first_admin(self, tmp_path: Path) -> None:
        path = _generate(tmp_path)
        said = first_steps(load([str(path)], create_missing=True), has_users=False)
        assert "http://127.0.0.1:8008" in said
        assert f"-m ranvier.register_new_matrix_user -c {path} --admin" in said

    def test_with_users_it_says_where_it_listens(self, tmp_path: Path) -> None:
        listener = {"port": 8008, "bind_addresses": ["::1", "127.0.0.1"]}
        said = first_steps(parse({"server_name": "test", "listeners": [listener]}), has_users=True)
        assert said == "test listens on http://[::1]:8008, http://127.0.0.1:8008\n"

    def test_without_a_secret_there_is_no_such_command(self) -> None:
        config = parse({"server_name": "test", "listeners": [{"path": "/run/x"}]})
        said = first_steps(config, has_users=False)
        assert "unix:/run/x" in said
        assert "Set registration_shared_secret" in said
