"""What `ranvier doctor` sees from outside: this server as other servers find it, and the clock of what answers for it."""

from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from typing import Final

import msgspec

from ranvier.cli.doctor_findings import Finding
from ranvier.ports import FederationAnswer, FederationTransport, FederationUnreachable

TIMEOUT_S: Final = 15
LIMIT_BYTES: Final = 65_536
LATE_S: Final = 60
_KEYS: Final = "/_matrix/key/v2/server"


class _Keys(msgspec.Struct):
    server_name: str


async def examine_network(
    server_name: str, transport: FederationTransport, *, now: Callable[[], float]
) -> list[Finding]:
    """Ask this server for its keys on the road that all other servers take: delegation, DNS, TLS."""
    try:
        answer = await transport.request(
            method="GET",
            destination=server_name,
            target=_KEYS,
            headers={},
            body=None,
            timeout_s=TIMEOUT_S,
            limit_bytes=LIMIT_BYTES,
        )
    except FederationUnreachable as error:
        return [
            Finding(
                "error",
                "federation",
                f"other servers do not reach {server_name}: {error}",
                "check DNS, https://<server_name>/.well-known/matrix/server, the certificate, and that the port (8448) is open",
            )
        ]
    return [_keys(server_name, answer), *_clock(answer, now())]


def _keys(server_name: str, answer: FederationAnswer) -> Finding:
    try:
        told = msgspec.json.decode(answer.body, type=_Keys).server_name
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return Finding(
            "error",
            "federation",
            f"what answers for {server_name} is no homeserver (status {answer.status})",
            "let the reverse proxy pass on /_matrix, or delegate to where the server listens",
        )
    if told != server_name:
        return Finding(
            "error",
            "federation",
            f"at {server_name} answers {told}",
            "server_name must be what the world calls this server; or delegate to the right machine",
        )
    return Finding("ok", "federation", f"{server_name} is found by others")


def _clock(answer: FederationAnswer, now_s: float) -> Iterator[Finding]:
    try:
        theirs = parsedate_to_datetime(answer.headers["date"]).timestamp()
    except (KeyError, ValueError):
        return
    late = int(theirs - now_s)
    if abs(late) > LATE_S:
        yield Finding(
            "warning",
            "clock",
            f"{abs(late)} s {'behind' if late > 0 else 'ahead'} of what answered",
            "let an NTP client set the clock",
        )
    else:
        yield Finding("ok", "clock", "the same as that of what answered")
