"""A listener that gets another certificate while it runs."""

import asyncio
import ssl
from dataclasses import replace
from pathlib import Path

import pytest
import trustme
from trustme import KeyType

from ranvier.http.listeners import serve_listeners, tls_context
from tests.http.server import LISTENER, Tokens, port_of


def _issue(folder: Path, authority: trustme.CA, key_type: KeyType) -> tuple[str, str]:
    issued = authority.issue_cert("localhost", key_type=key_type)
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    return str(certificate), str(key)


def _write(path: str, text: str) -> None:
    Path(path).write_text(text)


async def _shown(port: int, authority: trustme.CA, server_name: str) -> bytes:
    """The certificate that a client sees who trusts this authority."""
    trust = ssl.create_default_context()
    trust.check_hostname = server_name != ""
    authority.configure_trust(trust)
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust, server_hostname=server_name)
    try:
        shown: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return shown
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("first", [KeyType.RSA, KeyType.ECDSA])
@pytest.mark.parametrize("second", [KeyType.RSA, KeyType.ECDSA])
@pytest.mark.parametrize("server_name", ["localhost", ""])
async def test_new_connections_see_the_new_certificate(
    tmp_path: Path, first: KeyType, second: KeyType, server_name: str
) -> None:
    old, new = trustme.CA(), trustme.CA()
    files = _issue(tmp_path, old, first)
    listeners = await serve_listeners(
        [], [replace(LISTENER, tls=True)], authenticator=Tokens(), limiters={}, tls=tls_context(*files)
    )
    try:
        port = port_of(listeners)
        before = await _shown(port, old, server_name)
        _issue(tmp_path, new, second)
        listeners.reload_tls(*files)
        for _ in range(3):
            assert await _shown(port, new, server_name) != before
        with pytest.raises(ssl.SSLCertVerificationError):
            await _shown(port, old, server_name)
    finally:
        await listeners.stop()


async def test_a_certificate_that_is_none_changes_nothing(tmp_path: Path) -> None:
    authority = trustme.CA()
    files = _issue(tmp_path, authority, KeyType.ECDSA)
    listeners = await serve_listeners(
        [], [replace(LISTENER, tls=True)], authenticator=Tokens(), limiters={}, tls=tls_context(*files)
    )
    try:
        before = await _shown(port_of(listeners), authority, "localhost")
        _write(files[0], "nonsense")
        with pytest.raises(ssl.SSLError):
            listeners.reload_tls(*files)
        assert await _shown(port_of(listeners), authority, "localhost") == before
    finally:
        await listeners.stop()
