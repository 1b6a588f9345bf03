"""Metrics, as Prometheus reads them: on a listener of type `metrics`, and on one with that resource."""

import http.client
import json
import re
import urllib.request
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import DatabaseDict, StartHomeserver
from tests.services.ports import free_port

ROOT = Path(__file__).parents[2]
SUFFIX = re.compile("_(bucket|sum|count|created)$(?<!_requests_count)")
OF_SERVERS = {"synapse_federation_last_sent_pdu_time", "synapse_federation_last_received_pdu_time"}
"""What is told of other servers: `tests/federation_tls/test_pdu_times.py`."""
Values = dict[tuple[str, frozenset[tuple[str, str]]], float]


def documented() -> set[str]:
    """The metrics in the table of `docs/metrics.md`."""
    return set(re.findall(r"^\| `(\w+)`", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE))


def on_the_board() -> set[str]:
    """The metrics that the Grafana board shows."""
    board = json.loads((ROOT / "contrib" / "grafana" / "ranvier.json").read_text())
    shown = " ".join(target["expr"] for panel in board["panels"] for target in panel["targets"])
    return set(re.findall(r"\b(?:synapse|ranvier|process)_\w+", shown))


def scrape(port: int, path: str) -> Values:
    """Every sample by name and labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain")
        text = answer.read().decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def status(port: int, path: str) -> int:
    """Of the answer to a GET."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def of(values: Values, name: str, **labels: str) -> float:
    """The sum of the samples of this name with these labels."""
    wanted = set(labels.items())
    return sum(value for (found, has), value in values.items() if found == name and wanted <= has)


def test_what_is_told(start_homeserver: StartHomeserver, db_config: DatabaseDict) -> None:
    own, shared = free_port(), free_port()
    server = start_homeserver(
        db_config,
        enable_metrics=True,
        metrics_flags={"known_servers": True},
        more_listeners=(
            {"port": own, "type": "metrics", "bind_addresses": ["127.0.0.1"]},
            {"port": shared, "type": "http", "bind_addresses": ["127.0.0.1"], "resources": [{"names": ["metrics"]}]},
        ),
    )
    before = scrape(own, "/metrics")
    for _ in range(3):
        assert status(server.port, "/_matrix/client/v3/login") == 200
    assert status(server.port, "/_matrix/client/v3/account/whoami") == 401
    after = scrape(shared, "/_synapse/metrics")
    login = {"method": "GET", "servlet": "/_matrix/client/v3/login"}
    requests = "synapse_http_server_requests_received_total"
    assert of(after, requests, **login) - of(before, requests, **login) == 3
    assert of(after, "synapse_http_server_responses_total", code="401", method="GET") == 1
    assert of(after, "synapse_http_server_response_time_seconds_bucket", le="+Inf", **login) == 3
    assert of(after, "synapse_http_server_response_time_seconds_count", **login) == 3
    assert of(after, "synapse_http_server_response_size_total", **login) > 30
    assert of(after, "process_resident_memory_bytes") > 1 << 20
    assert of(after, "python_gc_collections_total") >= 0
    assert of(after, "ranvier_db_statements_total") > of(before, "ranvier_db_statements_total") - 1
    told = {found for found, _ in after}
    own_names = {name for name in told if name.startswith(("synapse_", "ranvier_"))}
    assert {SUFFIX.sub("", name) for name in own_names} | OF_SERVERS == documented()
    assert on_the_board() <= told
    assert {dict(labels)["name"] for name, labels in after if name == "synapse_util_caches_cache_size"} == {
        "events",
        "rooms",
    }
    # Whoever reads metrics reads nothing else.
    assert [status(port, "/_matrix/client/versions") for port in (own, shared)] == [404, 404]
    assert server.stop() == 0


def test_off_by_default(start_homeserver: StartHomeserver, tmp_path: Path) -> None:
    port = free_port()
    listener = {"port": port, "type": "metrics", "bind_addresses": ["127.0.0.1"]}
    database: DatabaseDict = {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}
    server = start_homeserver(database, more_listeners=(listener,))
    assert status(port, "/metrics") == 404
    assert "enable_metrics is off" in server.output()
