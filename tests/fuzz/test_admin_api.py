"""Whatever an administrator sends, in the shape that the OpenAPI document describes or in none, is never a 500.

What ends the run (the server's rooms purged, the administrator's own account changed) has somebody else to be tried on.
"""

import contextlib
import hashlib
import hmac
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.result import Ok

from ranvier.http.openapi import document
from tests.fuzz.server import Target, serving
from tests.fuzz.test_client_api import EXAMPLES, aim

SECRET = "shared secret of the fuzzer"
NOTICES = {"system_mxid_localpart": "notices"}


def _administrator(target: Target) -> str:
    """The token of a new one."""
    url = f"{target.base_url}/_synapse/admin/v1/register"
    nonce = requests.get(url, timeout=10).json()["nonce"]
    mac = hmac.new(SECRET.encode(), f"{nonce}\0root\0x\0admin".encode(), hashlib.sha1).hexdigest()
    body = {"nonce": nonce, "username": "root", "password": "x", "admin": True, "mac": mac}
    token: str = requests.post(url, json=body, timeout=10).json()["access_token"]
    return token


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_nothing_is_an_internal_error(tmp_path: Path, mode: GenerationMode) -> None:
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}
    failures: list[str] = []
    allowed = 0
    with (
        serving(database, registration_shared_secret=SECRET, server_notices=NOTICES) as target,
        requests.Session() as session,
    ):
        headers = {"Authorization": f"Bearer {_administrator(target)}"}
        routes = [route for route in target.routes if route.path.startswith("/_synapse/admin")]
        described = schemathesis.openapi.from_dict(document(routes))
        described.config.update(base_url=target.base_url)
        for found in described.get_all_operations():
            assert isinstance(found, Ok), found

            @given(case=found.ok().as_strategy(generation_mode=mode))
            @settings(
                max_examples=EXAMPLES,
                derandomize=True,
                database=None,
                deadline=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            def check(case: Any) -> None:
                nonlocal allowed
                aim(case, target, is_known=True)
                answer = case.call(headers=headers, timeout=10, session=session)
                if answer.status_code >= 500 and answer.status_code != 502:
                    failures.append(f"{answer.status_code} {case.as_curl_command()}")
                allowed += answer.status_code not in (401, 403)

            with contextlib.suppress(Unsatisfiable):
                check()
    assert not failures, "\n".join(failures[:20])
    assert allowed > 50
