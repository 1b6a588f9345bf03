"""The small commands, as one types them."""

from pathlib import Path

import bcrypt
import pytest
import yaml

from ranvier.config.signing_keys import parse_signing_keys
from tests.cli.programs import python_module, ranvier


def test_help_lists_the_commands(tmp_path: Path) -> None:
    done = ranvier(tmp_path, "--help")
    assert done.returncode == 0
    assert "  hash_password " in done.stdout
    assert "--generate-config" in done.stdout


def test_an_unknown_command_is_one_line(tmp_path: Path) -> None:
    done = ranvier(tmp_path, "dance")
    assert (done.returncode, done.stderr) == (2, "ranvier: there is no command dance; ranvier --help lists them\n")


def test_a_signing_key_and_its_public_half(tmp_path: Path) -> None:
    assert ranvier(tmp_path, "generate-signing-key", "-o", "key").returncode == 0
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    (key,) = parse_signing_keys((tmp_path / "key").read_text())
    kept = ranvier(tmp_path, "generate_signing_key", "-o", "key")
    assert (kept.returncode, kept.stderr) == (1, "key: cannot be written: File exists\n")
    plain = ranvier(tmp_path, "export_signing_key", "key").stdout.split()
    old = yaml.safe_load(ranvier(tmp_path, "export_signing_key", "-x", "--expiry-ts", "17", "key").stdout)
    assert plain[0] == key.key_id
    assert old == {key.key_id: {"key": plain[1], "expired_ts": 17}}


def test_the_public_half_of_a_known_key(tmp_path: Path) -> None:
    # RFC 8032, section 7.1, test 1.
    (tmp_path / "key").write_text("ed25519 1 nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A\n")
    done = ranvier(tmp_path, "export_signing_key", "key")
    assert done.stdout == "ed25519:1 11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo\n"


def test_a_file_without_a_key(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("nonsense\n")
    for path in ("key", "absent"):
        done = ranvier(tmp_path, "export_signing_key", path)
        assert done.returncode == 1
        assert done.stderr.startswith(path)
        assert len(done.stderr.splitlines()) == 1


def test_a_log_configuration(tmp_path: Path) -> None:
    done = ranvier(tmp_path, "generate_log_config", "-f", "/some/where.log")
    assert yaml.safe_load(done.stdout)["handlers"]["file"]["filename"] == "/some/where.log"


def test_a_password_is_hashed_with_pepper_and_cost(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("server_name: test\nbcrypt_rounds: 4\npassword_config: {pepper: salt}\n")
    done = ranvier(tmp_path, "hash_password", "-c", "a.yaml", "-p", "secret")
    assert done.returncode == 0, done.stderr
    hashed = done.stdout.strip()
    assert hashed.startswith("$2b$04$")
    assert bcrypt.checkpw(b"secretsalt", hashed.encode())


@pytest.mark.parametrize("argv", [["-p", "x"], ["-c", "absent.yaml", "-p", "x"]])
def test_a_password_needs_a_configuration(tmp_path: Path, argv: list[str]) -> None:
    done = ranvier(tmp_path, "hash_password", *argv)
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr


def test_a_configuration(tmp_path: Path) -> None:
    (tmp_path / "head").write_text("# ours\n")
    words = ["--server-name", "example.org", "--config-dir", "/etc/r", "--data-dir", "/var/r", "--report-stats", "no"]
    done = ranvier(tmp_path, "generate_config", *words, "--header-file", "head")
    assert done.stdout.startswith("# ours\n")
    options = yaml.safe_load(done.stdout)
    assert "form_secret" not in options
    assert options["signing_key_path"] == "/etc/r/example.org.signing.key"
    assert options["database"]["args"]["database"] == "/var/r/homeserver.db"
    assert ranvier(tmp_path, "generate-config", *words, "--generate-secrets", "-o", "new.yaml").returncode == 0
    options = yaml.safe_load((tmp_path / "new.yaml").read_text())
    assert len({options[name] for name in ("form_secret", "macaroon_secret_key", "registration_shared_secret")}) == 3


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["generate_config", "--server-name", "https://x"], "generate_config: --server-name: expected a server name"),
        (["generate_config"], "generate_config: the following arguments are required: --server-name/-H"),
        (["hash_password"], "hash_password: the following arguments are required: -c/--config"),
        (["export_signing_key"], "export_signing_key: the following arguments are required: key_file"),
        (["register_new_matrix_user", "-c", "a", "-k", "b"], "register_new_matrix_user: argument -k/--shared-secret:"),
        (["--no-such-flag"], "ranvier: unrecognized arguments: --no-such-flag"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, argv: list[str], said: str) -> None:
    done = ranvier(tmp_path, *argv)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(said)
    assert len(done.stderr.splitlines()) == 1


def test_the_server_under_the_manuals_name(tmp_path: Path) -> None:
    module = "ranvier.app.homeserver"
    words = ("--generate-config", "--server-name", "example.org", "--report-stats", "no", "-c", "homeserver.yaml")
    made = python_module(tmp_path, module, *words)
    assert (made.returncode, "Warning" in made.stderr) == (0, False)
    assert yaml.safe_load((tmp_path / "homeserver.yaml").read_text())["server_name"] == "example.org"
    assert python_module(tmp_path, module, "--generate-keys", "-c", "homeserver.yaml").returncode == 0
    assert (tmp_path / "example.org.signing.key").exists()
    refused = python_module(tmp_path, module, "-c", "absent.yaml")
    assert refused.returncode == 1
    assert "absent.yaml" in refused.stderr
