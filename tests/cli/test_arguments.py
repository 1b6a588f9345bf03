"""The flags, as old start scripts and manuals have them."""

import os

import pytest

from ranvier.cli.arguments import parse_arguments


@pytest.mark.parametrize(
    ("argv", "mode"),
    [
        ([], "run"),
        (["--generate-missing-and-run"], "run"),
        (["--generate-config"], "generate_config"),
        (["--generate-keys"], "generate_keys"),
        (["--generate-missing-configs"], "generate_keys"),
    ],
)
def test_modes(argv: list[str], mode: str) -> None:
    assert parse_arguments(argv).mode == mode


def test_everything_at_once() -> None:
    arguments = parse_arguments(
        [
            "-c",
            "a.yaml",
            "--config-path",
            "conf.d",
            "-H",
            "example.org",
            "--report-stats",
            "yes",
            "--keys-directory",
            "keys",
            "--data-directory",
            "data",
            "--open-private-ports",
            "-d",
            "my.db",
            "--enable-registration",
            "-D",
            "--print-pidfile",
            "--manhole",
            "9000",
            "-n",
            "-f",
            "x.log",
        ]
    )
    assert arguments.config_paths == ("a.yaml", "conf.d")
    assert (arguments.server_name, arguments.report_stats) == ("example.org", True)
    assert (arguments.config_directory, arguments.data_directory) == ("keys", "data")
    assert arguments.overrides == {
        "enable_registration": True,
        "daemonize": True,
        "print_pidfile": True,
        "report_stats": True,
        "manhole": 9000,
        "database": {"name": "sqlite3", "args": {"database": "my.db"}},
    }


def test_what_is_not_given_overrides_nothing() -> None:
    arguments = parse_arguments([])
    assert arguments.overrides == {}
    assert arguments.config_paths == ("homeserver.yaml",)
    assert arguments.config_directory == os.getcwd()


@pytest.mark.parametrize(
    "argv", [["--generate-config", "--generate-keys"], ["--report-stats", "maybe"], ["--nonsense"]]
)
def test_command_lines_that_make_no_sense(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse_arguments(argv)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("ranvier: ")
    assert line.endswith("(ranvier --help says more)")
