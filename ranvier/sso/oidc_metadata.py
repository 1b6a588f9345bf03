"""What is known of an OpenID provider: its endpoints and keys.

OpenID Connect Discovery 1.0, sections 3 and 4.3. Both are fetched when they are wanted and kept; keys are fetched again
when a token is signed with another one, but not more often than once a minute.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from ranvier.config.sso_sections import OidcConfig
from ranvier.ports import Clock, FederationUnreachable, ServiceTransport
from ranvier.sso.provider import SignOnFailed

_KEYS_AGAIN_S: Final = 60.0
_DEFAULT_ALGORITHMS: Final = ("RS256",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """The endpoints, and what the provider can do."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    userinfo_endpoint: str | None
    jwks_uri: str | None
    algorithms: tuple[str, ...]
    supports_pkce: bool


class ProviderFacts:
    """Metadata and keys of one provider."""

    def __init__(self, *, config: OidcConfig, transport: ServiceTransport, clock: Clock) -> None:
        self._config = config
        self._transport = transport
        self._clock = clock
        self._metadata: Metadata | None = None
        self._keys: Mapping[str, Any] | None = None
        self._keys_at = 0.0
        self._turn = asyncio.Lock()

    async def metadata(self) -> Metadata:
        """Discovered at the first call. Raises `SignOnFailed`."""
        async with self._turn:
            if self._metadata is None:
                self._metadata = await self._load()
            return self._metadata

    async def keys(self, *, fresh: bool = False) -> Mapping[str, Any]:
        """The provider's JWKS; with `fresh` fetched again, unless that was done a moment ago. Raises `SignOnFailed`."""
        metadata = await self.metadata()
        async with self._turn:
            lately = self._clock.monotonic() - self._keys_at < _KEYS_AGAIN_S
            if self._keys is None or (fresh and not lately):
                if metadata.jwks_uri is None:
                    raise SignOnFailed("server_error", "The provider does not tell its keys.")
                is_again, self._keys_at = self._keys is not None, self._clock.monotonic()
                self._keys = await fetch_json(self._transport, metadata.jwks_uri)
                if not is_again:
                    # Keys that have never been fetched again may be so at once.
                    self._keys_at -= _KEYS_AGAIN_S
            return self._keys

    async def _load(self) -> Metadata:
        config = self._config
        found: dict[str, Any] = {}
        if config.discover:
            url = f"{config.issuer.rstrip('/')}/.well-known/openid-configuration"
            found = await fetch_json(self._transport, url)
        metadata = Metadata(
            issuer=_text(found, "issuer") or config.issuer,
            authorization_endpoint=config.authorization_endpoint or _text(found, "authorization_endpoint") or "",
            token_endpoint=config.token_endpoint or _text(found, "token_endpoint") or "",
            userinfo_endpoint=config.userinfo_endpoint or _text(found, "userinfo_endpoint"),
            jwks_uri=config.jwks_uri or _text(found, "jwks_uri"),
            algorithms=config.algorithms or _texts(found, "id_token_signing_alg_values_supported"),
            supports_pkce="S256" in _texts(found, "code_challenge_methods_supported"),
        )
        self._check(metadata, found)
        return metadata

    def _check(self, metadata: Metadata, found: Mapping[str, Any]) -> None:
        """What must be true, and unless `skip_verification` what should be."""
        if not metadata.authorization_endpoint or not metadata.token_endpoint:
            raise SignOnFailed("server_error", "The provider does not say where it is reached.")
        if self._config.skip_verification:
            return
        if found and metadata.issuer != self._config.issuer:
            raise SignOnFailed("server_error", "The provider is not the issuer that the configuration names.")
        issuer = urlsplit(metadata.issuer)
        endpoints = (metadata.authorization_endpoint, metadata.token_endpoint, metadata.userinfo_endpoint)
        urls = (metadata.issuer, *endpoints, metadata.jwks_uri)
        if issuer.query or issuer.fragment or not all(url is None or url.startswith("https://") for url in urls):
            raise SignOnFailed("server_error", "The provider's addresses are not all https.")
        if found and "code" not in _texts(found, "response_types_supported"):
            raise SignOnFailed("server_error", "The provider does not speak the authorization code flow.")


async def fetch_json(
    transport: ServiceTransport, url: str, *, headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The JSON object at an address. Raises `SignOnFailed`."""
    try:
        answer = await transport.request("GET", url, headers={"Accept": "application/json", **(headers or {})})
    except FederationUnreachable as error:
        raise SignOnFailed("server_error", "The provider cannot be reached.") from error
    if answer.status != 200:
        raise SignOnFailed("server_error", f"The provider has answered {answer.status}.")
    return json_object(answer.body)


def json_object(body: bytes) -> dict[str, Any]:
    """Raises `SignOnFailed`."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise SignOnFailed("server_error", "The provider has answered something that is not understood.")
    return found


def _text(found: Mapping[str, Any], name: str) -> str | None:
    value = found.get(name)
    return value if isinstance(value, str) and value else None


def _texts(found: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = found.get(name)
    texts = tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
    return texts or (_DEFAULT_ALGORITHMS if name.startswith("id_token") else ())
