"""A knock at the door of a server: a connection to one address and port, and whether TLS in it proves the name."""

import asyncio
import errno
import ssl
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

TIMEOUT_S: Final = 10.0
_NO_ROAD: Final = frozenset((errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT))


@dataclass(frozen=True, slots=True)
class Knock:
    """What came of it."""

    connection_error: str | None = None
    has_no_road: bool = False
    """This machine cannot connect to any such address: it has no IPv6, mostly."""
    tls_error: str | None = None
    expires_s: float | None = None
    """When the certificate ends, in seconds since 1970; None if there is none, or nobody looked."""
    is_this_machine: bool = False
    """The address is one of the machine that knocks."""


async def knock(address: str, port: int, context: ssl.SSLContext, tls_name: str) -> Knock:
    """Connect, and see whether what is there is `tls_name`."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            _, writer = await asyncio.open_connection(address, port)
    except TimeoutError:
        return Knock(connection_error=f"no answer within {TIMEOUT_S:g} seconds")
    except OSError as error:
        return Knock(connection_error=error.strerror or str(error), has_no_road=error.errno in _NO_ROAD)
    here, there = (str(writer.get_extra_info(name)[0]) for name in ("sockname", "peername"))
    is_this_machine = here == there or ip_address(there.partition("%")[0]).is_loopback
    try:
        async with asyncio.timeout(TIMEOUT_S):
            await writer.start_tls(context, server_hostname=tls_name)
    except ssl.SSLCertVerificationError as error:
        return Knock(tls_error=error.verify_message, is_this_machine=is_this_machine)
    except ssl.SSLError as error:
        return Knock(tls_error=f"it speaks no TLS: {error.reason or error}", is_this_machine=is_this_machine)
    except (TimeoutError, OSError) as error:
        reason = "it does not answer" if isinstance(error, TimeoutError) else str(error) or "it hung up"
        return Knock(tls_error=f"it speaks no TLS: {reason}", is_this_machine=is_this_machine)
    finally:
        writer.transport.abort()
    certificate = writer.get_extra_info("ssl_object").getpeercert() or {}
    ends = certificate.get("notAfter")
    return Knock(
        expires_s=None if ends is None else float(ssl.cert_time_to_seconds(str(ends))), is_this_machine=is_this_machine
    )
