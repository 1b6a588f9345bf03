"""An OpenID provider: the authorization code flow.

OpenID Connect Core 1.0, sections 3.1 and 5.3; RFC 6749, sections 2.3.1 and 4.1; RFC 7636 (PKCE).
"""

import hashlib
import hmac
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote_plus, urlencode

from ranvier.config.sso_sections import OidcConfig
from ranvier.ports import Clock, FederationUnreachable, Random, ServiceTransport
from ranvier.sso.jose import UnknownKey, read_token, sign
from ranvier.sso.oidc_mapping import identity_of
from ranvier.sso.oidc_metadata import Metadata, ProviderFacts, fetch_json, json_object
from ranvier.sso.provider import CALLBACK, Departure, Identity, ProviderCard, SignOnFailed
from ranvier.templates import Templates
from ranvier.users.token_text import new_session_id

_CLIENT_SECRET_S: Final = 3600
_CLIENT_SECRET_AGAIN_S: Final = 600


class OidcProvider:
    """Implements `Provider`."""

    def __init__(
        self,
        *,
        config: OidcConfig,
        transport: ServiceTransport,
        clock: Clock,
        random: Random,
        templates: Templates,
        public_baseurl: str,
    ) -> None:
        self._config = config
        self._transport = transport
        self._clock = clock
        self._random = random
        self._templates = templates
        self._redirect_uri = config.redirect_uri or f"{public_baseurl.rstrip('/')}/{CALLBACK}"
        self._facts = ProviderFacts(config=config, transport=transport, clock=clock)
        self._client_secret: tuple[str, int] | None = None
        self.card = ProviderCard(
            idp_id=config.idp_id,
            idp_name=config.idp_name,
            idp_icon=config.idp_icon,
            idp_brand=config.idp_brand,
            enable_registration=config.enable_registration,
            allow_existing_users=config.allow_existing_users,
        )

    async def depart(self, state: str, passed: Mapping[str, str]) -> Departure:
        """To the provider's page. Raises `SignOnFailed`."""
        config, metadata = self._config, await self._facts.metadata()
        kept = {"nonce": new_session_id(self._random)}
        query = {
            **config.additional_parameters,
            **{name: passed[name] for name in config.passthrough_parameters if name in passed},
            "response_type": "code",
            "client_id": config.client_id,
            "redirect_uri": self._redirect_uri,
            "scope": " ".join(config.scopes),
            "state": state,
            "nonce": kept["nonce"],
        }
        if config.pkce_method == "always" or (config.pkce_method == "auto" and metadata.supports_pkce):
            kept["code_verifier"] = new_session_id(self._random) + new_session_id(self._random)
            digest = hashlib.sha256(kept["code_verifier"].encode()).digest()
            query["code_challenge"] = urlsafe_b64encode(digest).decode().rstrip("=")
            query["code_challenge_method"] = "S256"
        endpoint = metadata.authorization_endpoint
        return Departure(location=f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}", kept=kept)

    async def arrive(self, query: Mapping[str, str], kept: Mapping[str, str], state: str) -> Identity:
        """Exchange the code, and read who it is. Raises `SignOnFailed`."""
        if (error := query.get("error")) is not None:
            raise SignOnFailed(error[:100], query.get("error_description", "The provider has refused.")[:1000])
        if (code := query.get("code")) is None:
            raise SignOnFailed("invalid_request", "The provider has sent no code.")
        metadata = await self._facts.metadata()
        answer = await self._exchange(code, kept, metadata)
        claims: dict[str, Any] = {}
        if "openid" in self._config.scopes:
            claims = await self._read_id_token(answer, kept.get("nonce", ""), metadata)
        if not claims or self._config.user_profile_method == "userinfo_endpoint":
            claims = await self._userinfo(answer, claims, metadata)
        return identity_of(claims, config=self._config, templates=self._templates)

    async def _exchange(self, code: str, kept: Mapping[str, str], metadata: Metadata) -> dict[str, Any]:
        """The answer of the token endpoint."""
        fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": self._redirect_uri}
        if "code_verifier" in kept:
            fields["code_verifier"] = kept["code_verifier"]
        headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
        self._authenticate(fields, headers)
        try:
            answer = await self._transport.request(
                "POST", metadata.token_endpoint, headers=headers, body=urlencode(fields).encode()
            )
        except FederationUnreachable as error:
            raise SignOnFailed("server_error", "The provider cannot be reached.") from error
        found = json_object(answer.body)
        if answer.status >= 400 or "error" in found:
            description = found.get("error_description") or f"The provider has answered {answer.status}."
            raise SignOnFailed(str(found.get("error", "server_error"))[:100], str(description)[:1000])
        if not isinstance(found.get("access_token"), str):
            raise SignOnFailed("server_error", "The provider has given no access token.")
        return found

    def _authenticate(self, fields: dict[str, str], headers: dict[str, str]) -> None:
        config = self._config
        if config.client_auth_method == "client_secret_basic":
            pair = f"{quote_plus(config.client_id)}:{quote_plus(self._secret())}"
            headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
            return
        fields["client_id"] = config.client_id
        if config.client_auth_method == "client_secret_post":
            fields["client_secret"] = self._secret()

    def _secret(self) -> str:
        """The client's secret; one that is a token is made anew some time before it is over."""
        key = self._config.client_key
        if key is None:
            return self._config.client_secret or ""
        now_s = self._clock.now_ms() // 1000
        if self._client_secret is None or self._client_secret[1] - _CLIENT_SECRET_AGAIN_S < now_s:
            ends = now_s + _CLIENT_SECRET_S
            self._client_secret = sign(key.key, key.header, {**key.payload, "iat": now_s, "exp": ends}), ends
        return self._client_secret[0]

    async def _read_id_token(self, answer: Mapping[str, Any], nonce: str, metadata: Metadata) -> dict[str, Any]:
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise SignOnFailed("invalid_token", "The provider has given no ID token.")
        claims = await self._read(token, metadata, required=("iss", "sub", "aud", "exp", "iat"))
        if not hmac.compare_digest(str(claims.get("nonce")).encode("utf-8", "replace"), nonce.encode()):
            raise SignOnFailed("invalid_token", "The provider's token is for another attempt.")
        if claims.get("azp", self._config.client_id) != self._config.client_id:
            raise SignOnFailed("invalid_token", "The provider's token is for another client.")
        return claims

    async def _read(self, token: str, metadata: Metadata, *, required: tuple[str, ...]) -> dict[str, Any]:
        """The claims; where the key is not known, after fetching the keys again."""
        only_shared = all(name.startswith("HS") for name in metadata.algorithms)
        for fresh in (False, True):
            try:
                return read_token(
                    token,
                    keys={} if only_shared else await self._facts.keys(fresh=fresh),
                    secret=self._config.client_secret,
                    algorithms=metadata.algorithms,
                    issuer=metadata.issuer,
                    audience=self._config.client_id,
                    required=required,
                )
            except UnknownKey:
                continue
        raise SignOnFailed("invalid_token", "The provider's token is signed with a key that it does not tell.")

    async def _userinfo(
        self, answer: Mapping[str, Any], claims: Mapping[str, Any], metadata: Metadata
    ) -> dict[str, Any]:
        """What the endpoint tells, which must be about the user of the ID token."""
        if metadata.userinfo_endpoint is None:
            raise SignOnFailed("server_error", "The provider tells nothing of its users.")
        headers = {"Authorization": f"Bearer {answer['access_token']}"}
        found = await fetch_json(self._transport, metadata.userinfo_endpoint, headers=headers)
        if claims and found.get("sub") != claims["sub"]:
            raise SignOnFailed("invalid_token", "The provider speaks of two users.")
        return found
