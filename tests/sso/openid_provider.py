"""An OpenID provider on a socket of its own, with keys of its own, and a CAS server beside it."""

import base64
import hashlib
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote_plus, urlsplit

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec

SECRET = "what only client and provider know, long enough"


class OpenidProvider:
    """What it is to say is put into its fields."""

    def __init__(self) -> None:
        self.base = ""
        self.claims: dict[str, Any] = {"sub": "4711", "name": "Alice Liddell", "preferred_username": "Alice"}
        self.token_claims: dict[str, Any] = {}
        """In place of what belongs into an ID token."""
        self.userinfo: dict[str, Any] | None = None
        self.metadata: dict[str, Any] = {}
        self.asked: list[tuple[dict[str, str], dict[str, str]]] = []
        """Headers and fields of requests to the token endpoint."""
        self.key_requests = 0
        self.cas_answer = b""
        self.cas_asked: list[tuple[str, dict[str, str]]] = []
        self._codes: dict[str, dict[str, str]] = {}
        self._numbers = count()
        self.change_key("first")

    def change_key(self, key_id: str) -> None:
        """Sign with another one from now on, and tell that one only."""
        self._key_id, self._key = key_id, ec.generate_private_key(ec.SECP256R1())

    def authorize(self, location: str) -> dict[str, str]:
        """The user has said yes: the query with which they go back to the server."""
        assert location.startswith(f"{self.base}/authorize?"), location
        asked = dict(parse_qsl(urlsplit(location).query))
        code = f"code{next(self._numbers)}"
        self._codes[code] = asked
        return {"code": code, "state": asked["state"]}

    async def discovery(self, request: web.Request) -> web.Response:
        found = {
            "issuer": self.base,
            "authorization_endpoint": f"{self.base}/authorize",
            "token_endpoint": f"{self.base}/token",
            "userinfo_endpoint": f"{self.base}/userinfo",
            "jwks_uri": f"{self.base}/jwks",
            "response_types_supported": ["code"],
            "id_token_signing_alg_values_supported": ["ES256", "HS256"],
            "code_challenge_methods_supported": ["S256"],
        }
        return web.json_response({**found, **self.metadata})

    async def jwks(self, request: web.Request) -> web.Response:
        self.key_requests += 1
        key = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self._key.public_key()))
        return web.json_response({"keys": [{**key, "kid": self._key_id, "use": "sig", "alg": "ES256"}]})

    async def token(self, request: web.Request) -> web.Response:
        fields = {name: values[0] for name, values in parse_qs(await request.text()).items()}
        self.asked.append((dict(request.headers), fields))
        asked = self._codes.pop(fields.get("code", ""), None)
        if asked is None:
            return web.json_response({"error": "invalid_grant", "error_description": "no such code"}, status=400)
        assert fields["redirect_uri"] == asked["redirect_uri"]
        if "code_challenge" in asked:
            digest = hashlib.sha256(fields["code_verifier"].encode()).digest()
            assert asked["code_challenge"] == base64.urlsafe_b64encode(digest).decode().rstrip("=")
        now = int(time.time())
        claims = {"iss": self.base, "aud": asked["client_id"], "iat": now, "exp": now + 300, "nonce": asked["nonce"]}
        claims |= self.claims | self.token_claims
        token = jwt.encode(claims, self._key, algorithm="ES256", headers={"kid": self._key_id})
        return web.json_response({"access_token": "let me in", "token_type": "Bearer", "id_token": token})

    async def tell_userinfo(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer let me in"
        return web.json_response(self.claims if self.userinfo is None else self.userinfo)

    async def cas(self, request: web.Request) -> web.Response:
        self.cas_asked.append((request.path, dict(request.query)))
        return web.Response(body=self.cas_answer, content_type="text/xml")

    def credentials(self) -> tuple[str, str]:
        """With which the client has presented itself lately, by HTTP Basic."""
        text = base64.b64decode(self.asked[-1][0]["Authorization"].removeprefix("Basic ")).decode()
        name, _, secret = text.partition(":")
        return unquote_plus(name), unquote_plus(secret)


@asynccontextmanager
async def running_provider() -> AsyncIterator[OpenidProvider]:
    """A provider that listens."""
    provider = OpenidProvider()
    app = web.Application()
    app.router.add_get("/.well-known/openid-configuration", provider.discovery)
    app.router.add_get("/jwks", provider.jwks)
    app.router.add_post("/token", provider.token)
    app.router.add_get("/userinfo", provider.tell_userinfo)
    app.router.add_get("/cas/{rest:.*}", provider.cas)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    provider.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield provider
    finally:
        await runner.cleanup()
