"""Certificates and authorities are exchanged under running servers, and SIGHUP makes them known."""

import asyncio
import os
import shutil
import signal
import time
from pathlib import Path

import aiohttp
import pytest

from tests.federation_tls.person import Refused, open_person
from tests.federation_tls.server import Certificates, FederatingServer, issue


def _reload(server: FederatingServer) -> None:
    told = "Reloaded. Changed: "
    before = server.output().count(told)
    os.kill(server.pid, signal.SIGHUP)
    deadline = time.monotonic() + 30
    while server.output().count(told) == before:
        assert time.monotonic() < deadline, server.last_words()
        time.sleep(0.05)


def _copied(certificates: Certificates, folder: Path) -> Certificates:
    folder.mkdir(exist_ok=True)
    return Certificates(
        *(
            Path(shutil.copy(path, folder))
            for path in (certificates.authority, certificates.certificate, certificates.key)
        )
    )


async def test_new_certificates_of_a_new_authority(tmp_path: Path) -> None:
    for folder in ("old", "new"):
        (tmp_path / folder).mkdir()
    old, new = issue(tmp_path / "old"), issue(tmp_path / "new")
    mine, theirs = _copied(old, tmp_path / "mine"), _copied(old, tmp_path / "theirs")
    one = FederatingServer(tmp_path / "one", mine, host="localhost", options={})
    two = FederatingServer(tmp_path / "two", theirs, host="127.0.0.1", options={})
    try:
        one.start()
        two.start()
        async with aiohttp.ClientSession() as session:
            alice = await open_person(session, one.url, "alice")
            bob = await open_person(session, two.url, "bob")
            profile = f"/profile/{alice.user_id}"
            # One has a certificate now that two does not trust.
            _copied(new, tmp_path / "mine")
            _reload(one)
            with pytest.raises(Refused, match="502"):
                await bob.ask("GET", profile)
            _copied(new, tmp_path / "theirs")
            _reload(two)
            deadline = time.monotonic() + 20
            while True:
                try:
                    await bob.ask("GET", profile)
                    break
                except Refused as refusal:
                    assert refusal.status == 502 and time.monotonic() < deadline, two.last_words()
                    await asyncio.sleep(0.5)
    finally:
        for server in (one, two):
            server.close()
