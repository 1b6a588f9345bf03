"""What `ranvier doctor` sees of this machine's clock: whose clocks it agrees with. Pure, but for what it asks."""

from collections.abc import Callable, Iterable
from email.utils import parsedate_to_datetime
from typing import Final

from ranvier.cli.doctor_findings import Finding
from ranvier.ports import FederationAnswer, FederationTransport, FederationUnreachable

LATE_S: Final = 60
TIMEOUT_S: Final = 15
LIMIT_BYTES: Final = 65_536
KEYS: Final = "/_matrix/key/v2/server"


def compare(whose: str, theirs_s: float, now_s: float) -> Finding:
    """One clock beside ours."""
    late = int(theirs_s - now_s)
    if abs(late) <= LATE_S:
        return Finding("ok", "clock", f"the same as that of {whose}")
    return Finding(
        "warning",
        "clock",
        f"{abs(late)} s {'behind' if late > 0 else 'ahead of'} that of {whose}",
        "let an NTP client set the clock",
    )


def date_of(answer: FederationAnswer) -> float | None:
    """When a server says that it has answered, in seconds since 1970."""
    try:
        return parsedate_to_datetime(answer.headers["date"]).timestamp()
    except (KeyError, ValueError):
        return None


async def ask_clocks(
    servers: Iterable[str], transport: FederationTransport, *, now: Callable[[], float]
) -> list[Finding]:
    """The clocks of other servers, by the Date of what they answer; those that do not answer are left out."""
    findings = []
    for server_name in servers:
        try:
            answer = await transport.request(
                method="GET",
                destination=server_name,
                target=KEYS,
                headers={},
                body=None,
                timeout_s=TIMEOUT_S,
                limit_bytes=LIMIT_BYTES,
            )
        except FederationUnreachable:
            continue
        theirs_s = date_of(answer)
        if theirs_s is not None:
            findings.append(compare(server_name, theirs_s, now()))
    return findings


def not_compared(findings: Iterable[Finding]) -> list[Finding]:
    """What to say if nobody's clock was there to compare with."""
    if any(finding.subject == "clock" for finding in findings):
        return []
    text = "compared with nobody's: no server of trusted_key_servers, and no database elsewhere, has told its time"
    return [Finding("note", "clock", text, "see that an NTP client sets it: timedatectl")]
