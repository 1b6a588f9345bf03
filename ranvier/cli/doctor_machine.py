"""What `ranvier doctor` sees on the machine: files, certificates, limits; with the ports."""

import os
import resource
import shutil
import ssl
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from ranvier.cli.doctor_findings import Finding
from ranvier.cli.doctor_ports import examine_port
from ranvier.config.model import Config
from ranvier.log.check import find_mistakes
from ranvier.net.peer import without_brackets
from ranvier.proto.ids import split_server_name

FEW_FILES: Final = 4096
LITTLE_SPACE: Final = 1 << 30
SOON_S: Final = 14 * 24 * 3600
_EXPIRED: Final = 10
"""OpenSSL's X509_V_ERR_CERT_HAS_EXPIRED."""


def examine_machine(config: Config, *, secrets: Sequence[Path], data: Path | None, now_s: float) -> Iterator[Finding]:
    """`secrets`: files that nobody else should read. `data`: the folder that grows."""
    yield from (_secret(path) for path in secrets if path.exists())
    yield from _certificate(config, now_s)
    if config.log_config is not None:
        yield from _log(config.log_config)
    yield from (
        finding for listener in config.listeners if (finding := examine_port(listener, config.server_name)) is not None
    )
    yield _files()
    if data is not None:
        yield _space(data)


def _secret(path: Path) -> Finding:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & (stat.S_IRGRP | stat.S_IROTH):
        return Finding("warning", "secrets", f"{path} can be read by others ({mode:03o})", f"chmod 600 {path}")
    return Finding("ok", "secrets", f"{path} can be read by its owner alone")


def _log(path: str) -> Iterator[Finding]:
    mistakes = list(find_mistakes(path))
    for mistake in mistakes:
        yield Finding("error", "log", mistake, "correct it; docs/logging.md")
    if not mistakes:
        yield Finding("ok", "log", f"{path} can be used")


def _certificate(config: Config, now_s: float) -> Iterator[Finding]:
    if not any(listener.tls for listener in config.listeners):
        return
    certificate, key = config.tls_certificate_path, config.tls_private_key_path
    if certificate is None or key is None:
        return
    host = without_brackets(split_server_name(config.server_name)[0])
    try:
        expires_s = certificate_expiry(certificate, key, host)
    except ssl.SSLCertVerificationError as error:
        if error.verify_code == _EXPIRED:
            text, remedy = "has expired", "renew it; then SIGHUP is enough"
        else:
            text = f"does not do for {host}: {error.verify_message}"
            remedy = "get one for the name under which other servers reach this one (fine, if delegation names another)"
        yield Finding(
            "error" if error.verify_code == _EXPIRED else "warning", "certificate", f"{certificate} {text}", remedy
        )
    except (ssl.SSLError, OSError, ValueError) as error:
        yield Finding(
            "error",
            "certificate",
            f"{certificate} and {key} cannot be used together: {error.strerror or error}"
            if isinstance(error, OSError)
            else f"{certificate} and {key} cannot be used together: {error}",
            "tls_certificate_path is the whole chain, in PEM, and tls_private_key_path the key it was made for",
        )
    else:
        days = int((expires_s - now_s) // 86400)
        if expires_s - now_s < SOON_S:
            yield Finding(
                "warning", "certificate", f"{certificate} expires in {days} days", "renew it; then SIGHUP is enough"
            )
        else:
            yield Finding("ok", "certificate", f"{certificate} is good for {days} days")


def certificate_expiry(certificate: str, key: str, host: str) -> float:
    """When a certificate ends, in seconds since 1970. Who has issued it is not asked.

    Raises `ssl.SSLCertVerificationError` if it has ended already or is for other names, `ssl.SSLError` and `OSError` if the
    files cannot be used.
    """
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(certificate, key)
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    theirs.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    theirs.load_verify_locations(certificate)
    to_us, to_them = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = ours.wrap_bio(to_us, to_them, server_side=True)
    client = theirs.wrap_bio(to_them, to_us, server_hostname=host)
    for _ in range(4):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    found = client.getpeercert() or {}
    return float(ssl.cert_time_to_seconds(str(found["notAfter"])))


def _files() -> Finding:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < FEW_FILES:
        return Finding(
            "warning",
            "open files",
            f"at most {soft} here; every client and server that is connected takes one",
            "raise it: LimitNOFILE=65536 in the systemd unit, or soft_file_limit",
        )
    return Finding("ok", "open files", f"up to {soft}")


def _space(data: Path) -> Finding:
    place = data
    while not place.exists():
        place = place.parent
    if not os.access(place, os.W_OK):
        return Finding(
            "error", "disk", f"{place} cannot be written", "give the folder to the user that runs the server"
        )
    free = shutil.disk_usage(place).free
    if free < LITTLE_SPACE:
        return Finding("warning", "disk", f"{free >> 20} MiB left in {place}", "make room before the database needs it")
    return Finding("ok", "disk", f"{free >> 30} GiB left in {place}")
