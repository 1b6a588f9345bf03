"""No way of writing a path leads to what the listener does not serve, or to a file."""

from pathlib import Path

import pytest

from tests.api.asgi import Client
from tests.api.homeserver import running

PATHS = [
    "/_matrix/client/../../_synapse/admin/v1/server_version",
    "/_matrix/client/%2e%2e/%2e%2e/_synapse/admin/v1/server_version",
    "/_matrix/client/..%2f..%2f_synapse/admin/v1/server_version",
    "//_matrix/client/versions",
    "/_matrix//client/versions",
    "/_matrix/client/versions/",
    "/_matrix/client/versions%00",
    "/_matrix/client/versions;x",
    "/_matrix/client/versions%3fx",
    "/%5fmatrix%2fclient/versions",
    "/_matrix/client/./versions",
    "/_matrix\\client\\versions",
    "/../../../../etc/passwd",
    "/_matrix/static/../../../../etc/passwd",
    "/_matrix/static/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "/_matrix/static/client/login/..%2f..%2f..%2f__init__.py",
    "/_matrix/media/v3/download/ranvier.test/..%2f..%2fhomeserver.db",
    "/_matrix/media/v3/download/..%2f..%2f/x",
    "/_matrix/client/v3/rooms/..%2f..%2f/messages?dir=b",
    "/_matrix/key/v2/server/../../../client/versions",
    "/_synapse/../_matrix/client/../federation/v1/version",
    "/.well-known/../etc/passwd",
    "/%c0%ae%c0%ae/etc/passwd",
    "/" + "../" * 2000 + "etc/passwd",
    "/" + "%2e%2e%2f" * 2000 + "etc/passwd",
    "/" + "a/" * 10_000,
]


@pytest.mark.parametrize("path", PATHS)
async def test_leads_nowhere(tmp_path: Path, path: str) -> None:
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}
    async with running(database) as homeserver:
        alice = await homeserver.register("alice")
        client = Client(homeserver.unchecked, token=alice.token)
        for method in ("GET", "PUT", "POST", "DELETE"):
            answer = await client.request(method, path, None if method == "GET" else {})
            assert answer.status in (400, 403, 404, 405), (method, answer.status, answer.body[:200])
            assert b"root:" not in answer.body
            assert b"SQLite" not in answer.body
