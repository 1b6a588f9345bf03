"""An identity server of the test's own, in the place of the network."""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from ranvier.ports import FederationAnswer, FederationUnreachable

NAME, TOKEN = "id.example.org", "a.token"
KEY = {"public_key": "a" * 43, "key_validity_url": "https://id.example.org/_matrix/identity/v2/pubkey/isvalid"}


@dataclass(frozen=True)
class Asked:
    method: str
    target: str
    authorization: str
    body: Any


@dataclass
class IdentityServer:
    """Knows some users by their addresses, and keeps invitations; `answers` are what it says instead."""

    users: dict[tuple[str, str], str] = field(default_factory=dict)
    validated: dict[str, tuple[str, str]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)

    async def request(
        self,
        *,
        method: str,
        destination: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | None,
        timeout_s: float,
        limit_bytes: int,
    ) -> FederationAnswer:
        if destination != f"{NAME}:443":
            raise FederationUnreachable(f"{destination} is nobody")
        asked = Asked(method, target, headers["authorization"], None if body is None else orjson.loads(body))
        self.asked.append(asked)
        path = target.removeprefix("/_matrix/identity/v2")
        status, content = self.answers.get(path) or (200, orjson.dumps(self._answer(path, asked)))
        return FederationAnswer(status, {}, content)

    async def close(self) -> None:
        pass

    def _answer(self, path: str, asked: Asked) -> dict[str, Any]:
        body = asked.body
        match path:
            case "/hash_details":
                return {"lookup_pepper": "salt", "algorithms": ["none", "sha256"]}
            case "/lookup":
                known = {_hashed(medium, address): user_id for (medium, address), user_id in self.users.items()}
                return {"mappings": {one: known[one] for one in body["addresses"] if one in known}}
            case "/store-invite":
                return {"token": "invite.token", "display_name": "a...@e...", "public_keys": [KEY]}
            case "/3pid/bind":
                medium, address = self.validated[body["sid"]]
                self.users[medium, address] = body["mxid"]
                return {"medium": medium, "address": address, "mxid": body["mxid"]}
            case "/3pid/unbind":
                del self.users[body["threepid"]["medium"], body["threepid"]["address"]]
                return {}
        raise AssertionError(path)


def _hashed(medium: str, address: str) -> str:
    digest = hashlib.sha256(f"{address} {medium} salt".encode()).digest()
    return urlsafe_b64encode(digest).decode().rstrip("=")
