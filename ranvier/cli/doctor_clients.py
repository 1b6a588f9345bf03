"""What `ranvier doctor` sees of this server as clients find it: by its name, and at its address.

Spec: client-server API, "Well-known URIs".
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from ranvier.cli.doctor_findings import Finding
from ranvier.config.model import Config
from ranvier.net.exchange import Exchange, whole
from ranvier.net.peer import Endpoint, Peer, without_brackets
from ranvier.net.well_known import WellKnown
from ranvier.ports import FederationAnswer, FederationUnreachable
from ranvier.proto.ids import split_server_name

TIMEOUT_S: Final = 15.0
_LIMIT_BYTES: Final = 65_536
_PATH: Final = "/.well-known/matrix/client"
_NONE_THERE: Final = 404
_CORS: Final = "access-control-allow-origin"
_BLOCKED: Final = "ip_range_blacklist"


async def examine_clients(config: Config, https: Exchange, well_known: WellKnown) -> list[Finding]:
    """Ask as a client does that knows a user ID, and then as one that knows the address."""
    return [finding async for finding in _findings(config, https, well_known)]


async def _findings(config: Config, https: Exchange, well_known: WellKnown) -> AsyncIterator[Finding]:
    host = split_server_name(config.server_name)[0]
    yield await _by_name(config, host, well_known)
    if config.public_baseurl.startswith("https://"):  # another one is a finding about the configuration
        yield await _by_address(config, https)


async def _by_name(config: Config, host: str, well_known: WellKnown) -> Finding:
    url = f"https://{host}{_PATH}"
    says = f'let {url} answer {{"m.homeserver": {{"base_url": "{config.public_baseurl}"}}}}'
    try:
        async with asyncio.timeout(TIMEOUT_S):
            answer = await well_known.fetch(host, _PATH)
    except (FederationUnreachable, TimeoutError) as error:
        return _unknown(url, error, says)
    if answer is None:
        return Finding("warning", "clients", f"{url} is redirected to nowhere", says)
    if answer.status == _NONE_THERE:
        return Finding("note", "clients", f"{url} is not there: people have to type {config.public_baseurl}", says)
    told = _base_url(answer)
    if told is None:
        return Finding("warning", "clients", f"{url} names no server, so that clients give up", says)
    if told.rstrip("/") != config.public_baseurl.rstrip("/"):
        text = f"{url} leads to {told}, and public_baseurl is {config.public_baseurl}"
        return Finding("warning", "clients", text, "let both say the same")
    if _CORS not in answer.headers:
        return Finding(
            "warning",
            "clients",
            f"clients in browsers cannot read {url}",
            "send it with the header Access-Control-Allow-Origin: *",
        )
    return Finding("ok", "clients", f"by the name {host} they find {told}")


async def _by_address(config: Config, https: Exchange) -> Finding:
    url = f"{config.public_baseurl.rstrip('/')}/_matrix/client/versions"
    remedy = "let public_baseurl be where clients reach this server: what is before /_matrix"
    try:
        async with asyncio.timeout(TIMEOUT_S):
            answer = await _get(https, url)
    except (FederationUnreachable, TimeoutError, ValueError) as error:
        return _unknown(url, error, remedy)
    if answer.status != 200 or not isinstance(_json(answer).get("versions"), list):
        return Finding("warning", "clients", f"at {url} is no homeserver (status {answer.status})", remedy)
    return Finding("ok", "clients", f"at {config.public_baseurl} they find a homeserver")


def _unknown(url: str, error: Exception, remedy: str) -> Finding:
    if _BLOCKED in str(error):
        text = f"{url} was not asked for, because {_BLOCKED} forbids its address"
        return Finding("note", "clients", text, "look at it with a client")
    return Finding("warning", "clients", f"{url} cannot be read ({str(error) or 'no answer'})", remedy)


async def _get(https: Exchange, url: str) -> FederationAnswer:
    parts = urlsplit(url)
    host = without_brackets(parts.hostname or "")
    exchange = https.exchange(
        method="GET",
        peer=Peer((Endpoint(host, parts.port or 443),), host_header=parts.netloc, tls_name=host),
        target=parts.path,
        headers={},
        body=None,
        limit_bytes=_LIMIT_BYTES,
    )
    async with exchange as stream:
        return await whole(stream)


def _base_url(answer: FederationAnswer) -> str | None:
    homeserver = _json(answer).get("m.homeserver") if answer.status == 200 else None
    told = homeserver.get("base_url") if isinstance(homeserver, dict) else None
    return told if isinstance(told, str) else None


def _json(answer: FederationAnswer) -> dict[str, Any]:
    try:
        return msgspec.json.decode(answer.body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return {}
