"""Log lines that go to another machine."""

import json
import logging
import socket
from collections.abc import Iterator

import pytest

from ranvier.log import remote
from ranvier.log.remote import RemoteHandler


@pytest.fixture
def collector() -> Iterator[socket.socket]:
    """The other machine."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)
        yield listening


def _record(text: str, level: int = logging.INFO) -> logging.LogRecord:
    return logging.makeLogRecord({"msg": text, "levelno": level, "levelname": logging.getLevelName(level)})


def _read(collector: socket.socket, count: int) -> list[str]:
    connection, _ = collector.accept()
    with connection, connection.makefile(encoding="utf-8") as lines:
        return [json.loads(lines.readline())["log"] for _ in range(count)]


def test_lines_arrive_as_json(collector: socket.socket) -> None:
    handler = RemoteHandler("127.0.0.1", collector.getsockname()[1])
    handler.handle(_record("one"))
    handler.handle(_record("ünï", logging.WARNING))
    assert _read(collector, 2) == ["one", "ünï"]
    handler.close()


def test_lines_wait_for_a_machine_that_is_away_and_the_grave_ones_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_RETRY_S", (0.02,))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    handler = RemoteHandler("127.0.0.1", port, maximum_buffer=3)
    for text, level in (("a", 10), ("b", 30), ("c", 20), ("d", 40), ("e", 20), ("f", 30), ("g", 30)):
        handler.handle(_record(text, level))
    with socket.create_server(("127.0.0.1", port)) as collector:
        collector.settimeout(10)
        assert _read(collector, 3) == ["d", "f", "g"]
    handler.close()


def test_nobody_waits_for_it_at_the_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    handler = RemoteHandler("127.0.0.1", port)
    handler.handle(_record("lost"))
    handler.close()
