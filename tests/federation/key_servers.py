"""Servers with keys, a notary, and a `ServerKeys` that asks them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ranvier.db.engine import Database
from ranvier.federation.client import FederationClient
from ranvier.federation.fetch_keys import KeyFetch, Notary
from ranvier.federation.find_keys import KeyFinder
from ranvier.federation.keys import ServerKeys
from ranvier.federation.known_keys import KnownKeys
from ranvier.federation.own_keys import OwnKeys
from ranvier.ports import FederationAnswer
from ranvier.proto.event_format import parse_event
from ranvier.proto.events import Event
from ranvier.proto.hashing import content_hash, signed_bytes
from ranvier.proto.key_documents import OldKey, write_key_document
from ranvier.proto.room_versions import ROOM_VERSIONS
from ranvier.proto.signing import SigningKey, sign_json
from ranvier.proto.unpadded_base64 import encode_base64
from tests.federation.wire import Asked, FakeClock, FakeHealth, Wire, answer

OWN = "here.test"
DAY_MS = 24 * 3600 * 1000


def key(name: str, version: str = "1") -> SigningKey:
    """Always the same key for the same name."""
    return SigningKey(f"ed25519:{version}", f"{name}/{version}".encode().ljust(32, b".")[:32])


@dataclass(slots=True)
class Peer:
    """Another server, and the keys it publishes."""

    name: str
    clock: FakeClock
    keys: list[SigningKey] = field(default_factory=list)
    old: dict[str, OldKey] = field(default_factory=dict)
    valid_for_ms: int = DAY_MS

    def document(self) -> dict[str, Any]:
        return write_key_document(
            server_name=self.name,
            keys=self.keys,
            old_keys=self.old,
            valid_until_ts=self.clock.now_ms() + self.valid_for_ms,
        )

    async def serve(self, asked: Asked) -> FederationAnswer:
        if asked.target != "/_matrix/key/v2/server":
            return answer({"errcode": "M_UNRECOGNIZED"}, 404)
        return answer(self.document())

    def event(self, at_ms: int | None = None, *, version: str = "11", **fields: Any) -> Event:
        """A message that this server has signed."""
        facts = ROOM_VERSIONS[version]
        pdu: dict[str, Any] = {
            "type": "m.room.message",
            "sender": f"@user:{self.name}",
            "room_id": f"!room:{self.name}",
            "content": {"body": "hello"},
            "depth": 3,
            "prev_events": [],
            "auth_events": [],
            "origin_server_ts": self.clock.now_ms() if at_ms is None else at_ms,
            **fields,
        }
        pdu["hashes"] = {"sha256": encode_base64(content_hash(pdu, facts))}
        pdu["signatures"] = {
            self.name: {one.key_id: one.sign(signed_bytes(pdu, facts)) for one in self.keys},
        }
        return parse_event(pdu, facts)


@dataclass(slots=True)
class World:
    """This server, and others."""

    db: Database
    clock: FakeClock = field(default_factory=FakeClock)
    wire: Wire = field(default_factory=Wire)
    health: FakeHealth = field(default_factory=FakeHealth)

    def peer(self, name: str, *versions: str, valid_for_ms: int = DAY_MS) -> Peer:
        """A server with these keys, which can be reached."""
        peer = Peer(name, self.clock, [key(name, version) for version in versions or ("1",)])
        peer.valid_for_ms = valid_for_ms
        self.wire.servers[name] = peer.serve
        return peer

    def client(self) -> FederationClient:
        return FederationClient(
            transport=self.wire,
            server_name=OWN,
            signing_key=key(OWN),
            health=self.health,
            clock=self.clock,
        )

    def own(self) -> OwnKeys:
        old = key(OWN, "old")
        return OwnKeys(
            server_name=OWN,
            signing_keys=[key(OWN), key(OWN, "second")],
            old_keys={old.key_id: OldKey(old.public_key, self.clock.now_ms() - DAY_MS)},
            refresh_interval_ms=DAY_MS,
            clock=self.clock,
        )

    def finder(self, notaries: Sequence[Notary] = (), *, known: KnownKeys | None = None) -> KeyFinder:
        return KeyFinder(
            known=known or KnownKeys(db=self.db),
            fetch=KeyFetch(client=self.client(), notaries=notaries),
            clock=self.clock,
        )

    def keys(self, notaries: Sequence[Notary] = (), *, uses_thread: bool = True) -> ServerKeys:
        """As after a start: knows what the database knows."""
        return ServerKeys(own=self.own(), finder=self.finder(notaries), uses_thread=uses_thread)

    def notary(self, name: str, *peers: Peer, signs: bool = True, pinned: bool = True) -> Notary:
        """A notary that knows these servers."""
        signing = key(name)
        documents: Mapping[str, Peer] = {peer.name: peer for peer in peers}

        async def serve(asked: Asked) -> FederationAnswer:
            assert asked.target == "/_matrix/key/v2/query"
            listed = [documents[server].document() for server in asked.json["server_keys"] if server in documents]
            return answer({"server_keys": [sign_json(item, name, signing) if signs else item for item in listed]})

        self.wire.servers[name] = serve
        return Notary(name, {signing.key_id: signing.public_key} if pinned else {})
