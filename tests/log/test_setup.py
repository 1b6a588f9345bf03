"""Log configurations, ours and those written for Synapse."""

import importlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from ranvier.config.log_file import log_config_text
from ranvier.log.flushing import PeriodicallyFlushingMemoryHandler
from ranvier.log.json_lines import GcpJsonFormatter
from ranvier.log.names import CLASSES, LOGGERS, translate
from ranvier.log.setup import LogConfigError, ProcessLog, set_up_log
from ranvier.log_context import current_request


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """Logging is the process's: put everything back."""
    root = logging.getLogger()
    factory, handlers, level = logging.getLogRecordFactory(), list(root.handlers), root.level
    yield
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.setLogRecordFactory(factory)


def _set_up(folder: Path, text: str) -> None:
    (folder / "log.config").write_text(text)
    set_up_log(str(folder / "log.config"))


def _flushed(file: Path) -> str:
    for handler in logging.getLogger().handlers:
        handler.flush()
    return file.read_text()


# The form in which log configurations have been generated for years.
_SYNAPSE = """\
version: 1
formatters:
    precise:
        format: '%(asctime)s - %(name)s - %(lineno)d - %(levelname)s - %(request)s - %(message)s'
filters:
    context:
        (): synapse.util.logcontext.LoggingContextFilter
        request: ""
handlers:
    file:
        class: logging.handlers.TimedRotatingFileHandler
        formatter: precise
        filename: {file}
        when: midnight
        backupCount: 3
        encoding: utf8
    buffer:
        class: synapse.logging.handlers.PeriodicallyFlushingMemoryHandler
        target: file
        capacity: 10
        flushLevel: 30
        period: 5
        filters: [context]
    console:
        class: logging.StreamHandler
        formatter: precise
loggers:
    synapse.storage.SQL:
        level: INFO
root:
    level: INFO
    handlers: [buffer]
disable_existing_loggers: false
"""


@pytest.mark.parametrize("text", [_SYNAPSE, None], ids=["synapse's", "ours"])
def test_a_log_configuration_works(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "homeserver.log"
    _set_up(tmp_path, text.format(file=file) if text else log_config_text(str(file)))
    token = current_request.set("GET-17")
    logging.getLogger("ranvier.somewhere").info("hello %s", "there")
    current_request.reset(token)
    logging.getLogger("elsewhere").info("outside")
    first, second = _flushed(file).splitlines()
    assert first.endswith("- INFO - GET-17 - hello there")
    assert first.split(" - ")[1] == "ranvier.somewhere"
    assert second.endswith("- INFO - - - outside")


def test_lines_wait_for_company_but_warnings_do_not(tmp_path: Path) -> None:
    file = tmp_path / "homeserver.log"
    _set_up(tmp_path, log_config_text(str(file)))
    logging.getLogger("ranvier").info("waits")
    assert file.read_text() == ""
    logging.getLogger("ranvier").warning("hurries")
    assert [line.split(" - ")[-1] for line in file.read_text().splitlines()] == ["waits", "hurries"]


def test_no_line_waits_for_long(tmp_path: Path) -> None:
    target = logging.FileHandler(tmp_path / "log")
    handler = PeriodicallyFlushingMemoryHandler(capacity=10, target=target, period=0.01)
    values = ["as it was"]
    handler.handle(logging.makeLogRecord({"msg": "%s", "args": (values,), "levelno": logging.INFO}))
    values[0] = "changed"
    for _ in range(500):
        if (tmp_path / "log").read_text():
            break
        handler._closing.wait(0.01)
    handler.close()
    target.close()
    assert (tmp_path / "log").read_text() == "['as it was']\n"


def test_request_is_there_without_any_filter(tmp_path: Path) -> None:
    file = tmp_path / "log"
    _set_up(
        tmp_path,
        "version: 1\nformatters: {plain: {format: '%(request)s %(message)s'}}\n"
        f"handlers: {{file: {{class: logging.FileHandler, filename: {file}, formatter: plain}}}}\n"
        "root: {level: INFO, handlers: [file]}\n",
    )
    logging.getLogger("ranvier").info("hello")
    assert file.read_text() == "- hello\n"


def test_json_lines(tmp_path: Path) -> None:
    file = tmp_path / "log"
    _set_up(
        tmp_path,
        "version: 1\nformatters: {json: {class: synapse.logging.TerseJsonFormatter}}\n"
        f"handlers: {{file: {{class: logging.FileHandler, filename: {file}, formatter: json}}}}\n"
        "root: {level: INFO, handlers: [file]}\n",
    )
    try:
        raise ValueError("oh")
    except ValueError:
        logging.getLogger("ranvier").exception("failed: %s", "it", extra={"room_id": "!r"})
    line = json.loads(file.read_text())
    assert line.pop("time") > 0
    assert "Traceback" in line.pop("traceback")
    assert line == {
        "log": "failed: it",
        "namespace": "ranvier",
        "level": "ERROR",
        "request": "-",
        "exc_type": "ValueError",
        "exc_value": "oh",
        "room_id": "!r",
    }


def test_lines_for_googles_collector() -> None:
    line = json.loads(GcpJsonFormatter().format(logging.makeLogRecord({"msg": "hello", "levelname": "INFO"})))
    assert (line["message"], line["severity"]) == ("hello", "INFO")
    assert line["time"].endswith("+00:00")


def test_what_is_said_of_the_logger_synapse_holds_for_ours() -> None:
    translated = translate({"version": 1, "loggers": {"synapse": {"level": "DEBUG"}}})
    assert translated["loggers"] == {"synapse": {"level": "DEBUG"}, "ranvier": {"level": "DEBUG"}}
    both = translate({"version": 1, "loggers": {"synapse": {"level": "DEBUG"}, "ranvier": {"level": "INFO"}}})
    assert both["loggers"]["ranvier"] == {"level": "INFO"}


def test_existing_loggers_stay_unless_the_file_says_otherwise() -> None:
    assert translate({"version": 1})["disable_existing_loggers"] is False
    assert translate({"version": 1, "disable_existing_loggers": True})["disable_existing_loggers"] is True


def test_reading_a_changed_file_again_changes_the_level(tmp_path: Path) -> None:
    text = log_config_text(str(tmp_path / "homeserver.log"))
    _set_up(tmp_path, text)
    assert not logging.getLogger().isEnabledFor(logging.DEBUG)
    logging.getLogger("ranvier").warning("opens the file")
    _set_up(tmp_path, text.replace("level: INFO", "level: DEBUG"))
    assert logging.getLogger().isEnabledFor(logging.DEBUG)


def test_by_default_the_log_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_log(None)
    logging.getLogger("ranvier").info("hello")
    assert capsys.readouterr().err.endswith("- INFO - - - hello\n")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("version: 1\na: [", r"log\.config:2: "),
        ("- a", "expected a mapping"),
        ("version: 1\nhandlers: {x: {class: no.such.Class}}\n", r"log\.config:2: Unable to .* 'x' .*no\.such"),
        (
            "version: 1\nhandlers: {x: {class: synapse.logging.Other}}\n",
            r"synapse\.logging\.Other is not known here; known",
        ),
        ("version: 7", "version"),
    ],
)
def test_a_log_configuration_with_a_mistake(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(LogConfigError, match=problem):
        _set_up(tmp_path, text)


def test_a_log_configuration_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(LogConfigError, match="No such file"):
        set_up_log(str(tmp_path / "nothing"))


def test_every_name_of_a_class_is_one_of_ours() -> None:
    for ours in CLASSES.values():
        module, _, name = ours.rpartition(".")
        assert hasattr(importlib.import_module(module), name)


def test_every_name_of_a_logger_is_a_package_of_ours() -> None:
    for ours in {name for names in LOGGERS.values() for name in names}:
        importlib.import_module(ours)


def test_a_level_that_the_new_file_does_not_name_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "log.config"
    log = ProcessLog()
    path.write_text("version: 1\nloggers: {synapse.federation: {level: DEBUG}}\n")
    assert log.set_up(str(path))
    assert logging.getLogger("ranvier.federation.keys").isEnabledFor(logging.DEBUG)
    assert not log.set_up(str(path))
    path.write_text("version: 1\nroot: {level: INFO}\n")
    assert log.set_up(str(path))
    assert not logging.getLogger("ranvier.federation.keys").isEnabledFor(logging.DEBUG)


def test_a_file_with_a_mistake_leaves_the_log_as_it_was(tmp_path: Path) -> None:
    path, file = tmp_path / "log.config", tmp_path / "homeserver.log"
    log = ProcessLog()
    good = log_config_text(str(file))
    path.write_text(good)
    log.set_up(str(path))
    path.write_text(
        good.replace("level: INFO", "level: DEBUG").replace("backupCount: 3", "backupCount: many, of: them")
    )
    with pytest.raises(LogConfigError, match=r"log\.config"):
        log.set_up(str(path))
    path.write_text("version: 1\nroot: {level: DEBUG, handlers: [nobody]}\n")
    with pytest.raises(LogConfigError, match="nobody"):
        log.set_up(str(path))
    logging.getLogger("ranvier").warning("still here")
    assert not logging.getLogger("ranvier").isEnabledFor(logging.DEBUG)
    assert _flushed(file).count("still here") == 1


def test_a_log_file_that_was_moved_away_is_opened_anew(tmp_path: Path) -> None:
    """What logrotate does, and then sends SIGHUP."""
    path, file = tmp_path / "log.config", tmp_path / "homeserver.log"
    path.write_text(log_config_text(str(file)))
    log = ProcessLog()
    log.set_up(str(path))
    logging.getLogger("ranvier").warning("before")
    file.rename(tmp_path / "homeserver.log.1")
    assert not log.set_up(str(path))
    logging.getLogger("ranvier").warning("after")
    assert "before" in (tmp_path / "homeserver.log.1").read_text()
    assert _flushed(file).splitlines()[-1].endswith(" - after")
