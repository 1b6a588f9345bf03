"""Several homeservers that talk to each other without HTTP: each asks the others' functions, by paths, through JSON."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast
from urllib.parse import unquote, urlencode

from ranvier.app.federation_handshakes import HandshakeNeeds, HandshakeServices, build_handshakes, handshake_routes
from ranvier.federation.admission import Admission
from ranvier.federation.auth_chain import AuthChains
from ranvier.federation.client import FederationClient, RemoteError, Unreachable
from ranvier.federation.gaps import Gaps
from ranvier.federation.keys import ServerKeys, Verdict
from ranvier.federation.paths import path
from ranvier.federation.resident_rooms import ResidentRooms
from ranvier.federation.screening import Screens
from ranvier.http.access_log import AccessLog
from ranvier.http.dispatch import HttpApp
from ranvier.http.request_id import RequestIds
from ranvier.http.router import Router
from ranvier.ports import SystemClock, SystemRandom
from ranvier.proto.canonical_json import decode_lenient, encode_lenient
from ranvier.proto.errors import MatrixError
from ranvier.proto.event_receipt import ReceivedEvent
from ranvier.proto.events import Event
from ranvier.proto.signing import (
    SignatureError,
    SigningKey,
    authorising_server,
    check_event,
    check_json,
    required_signers,
)
from ranvier.rooms.accept import Arrival
from ranvier.rooms.hosts import Hosts
from ranvier.rooms.invite_rules import InviteRules
from ranvier.rooms.restricted_join import RestrictedJoins
from ranvier.store.events import StoredEvent
from ranvier.users.invite_permission import InvitePermission
from ranvier.users.requester import Requester
from tests.api.asgi import Client
from tests.api.homeserver import Homeserver, running

Tamper = Callable[[str, str, Any], Any]
"""Changes answers: `(server that answers, what was asked, answer)`."""


class Town:
    """The servers by name, and what stands between them."""

    def __init__(self) -> None:
        self.servers: dict[str, Server] = {}
        self.down: set[str] = set()
        self.asked: list[tuple[str, str, str]] = []
        """`(who asks, who is asked, for what)`."""
        self.tamper: Tamper | None = None
        self.public_keys: dict[str, dict[str, bytes]] = {}

    def asks(self, server: str) -> list[str]:
        """What this server has asked others for: `make_join other.test`."""
        return [f"{act} {to}" for origin, to, act in self.asked if origin == server]


class FakeClient:
    """A `FederationClient`."""

    def __init__(self, town: Town, origin: str) -> None:
        self._town = town
        self._origin = origin

    async def get(self, destination: str, path: str, *, query: Sequence[tuple[str, str]] = (), **_: object) -> Any:
        return await self._ask(destination, path, list(query), None)

    async def put(self, destination: str, path: str, *, content: Any, **_: object) -> Any:
        body = decode_lenient(content if isinstance(content, bytes) else encode_lenient(content))
        return await self._ask(destination, path, [], body)

    async def _ask(self, destination: str, path: str, query: list[tuple[str, str]], body: Any) -> Any:
        version, act, *rest = [unquote(segment) for segment in path.removeprefix("/_matrix/federation/").split("/")]
        self._town.asked.append((self._origin, destination, act))
        if destination in self._town.down or destination not in self._town.servers:
            raise Unreachable(f"{destination} is down")
        server = self._town.servers[destination]
        try:
            answer = await server.answer(self._origin, f"{version} {act}", rest, query, body)
        except MatrixError as error:
            told: dict[str, Any] = {"errcode": error.errcode, "error": error.error, **error.extra}
            raise RemoteError(error.status, error.errcode, error.error, body=told) from error
        return answer if self._town.tamper is None else self._town.tamper(destination, act, answer)


class FakeKeys:
    """`ServerKeys` that knows every key of the town."""

    def __init__(self, town: Town) -> None:
        self._keys = town.public_keys

    async def verify_events(self, events: Sequence[Event]) -> list[Verdict]:
        return [self._verify(event) for event in events]

    async def verify_received(self, events: Sequence[ReceivedEvent], *, resident: str | None = None) -> list[Verdict]:
        return await self.verify_events([received.event for received in events])

    async def verify_json(self, server_name: str, value: Mapping[str, Any], *, at_ms: int | None = None) -> None:
        check_json(value, server_name, self._keys.get(server_name, {}))

    def _verify(self, event: Event) -> Verdict:
        try:
            for signer in required_signers(event):
                check_event(event, signer, self._keys.get(signer, {}))
        except SignatureError as error:
            return Verdict(str(error), False)
        authoriser = authorising_server(event)
        try:
            if authoriser is not None:
                check_event(event, authoriser, self._keys.get(authoriser, {}))
        except SignatureError:
            return Verdict(None, False)
        return Verdict(None, True)


class FakeForward:
    """Remembers what would be sent on, and to whom."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, frozenset[str]]] = []

    def send_event(self, stored: StoredEvent, destinations: Collection[str]) -> None:
        self.sent.append((stored.event.event_id, frozenset(destinations)))


class Trusting:
    """A `ServerAuthenticator` that believes what it is told."""

    async def authenticate_server(self, *, method: str, target: str, headers: Collection[str], body: bytes) -> str:
        return next(iter(headers)).removeprefix("X-Matrix ")


class Server:
    """One homeserver."""

    def __init__(self, town: Town, name: str, homeserver: Homeserver) -> None:
        self.town = town
        self.name = name
        self.homeserver = homeserver
        self.forward = FakeForward()
        self.unknown: set[str] = set()
        """Requests that this server does not know: `v2 invite`."""
        real = homeserver.server
        self.rooms = real.rooms
        config = real.config
        own_key = config.signing_keys[0]
        self.key = SigningKey(own_key.key_id, own_key.seed)
        town.public_keys[name] = {self.key.key_id: self.key.public_key}
        town.servers[name] = self
        client = cast(FederationClient, FakeClient(town, name))
        self.keys = cast(ServerKeys, FakeKeys(town))
        screens = Screens(keys=self.keys)
        rooms = real.rooms
        self.handshakes: HandshakeServices = build_handshakes(
            HandshakeNeeds(
                db=real.db,
                clock=SystemClock(),
                random=SystemRandom(),
                config=config,
                rooms=rooms,
                invitations=InviteRules(
                    server_name=name,
                    permission=InvitePermission(account_data=real.users.account_data),
                    only_admins_invite=config.block_non_admin_invites,
                ),
                restricted_joins=RestrictedJoins(rooms=rooms.rooms, server_name=name),
                resident=ResidentRooms(rooms=rooms.rooms, hosts=hosts_of(homeserver), server_name=name),
                auth_chains=AuthChains(db=real.db),
                client=client,
                keys=self.keys,
                screens=screens,
                gaps=Gaps(
                    rooms=rooms.rooms,
                    accepting=rooms.accepting,
                    outliers=rooms.outliers,
                    client=client,
                    screens=screens,
                ),
                forward=self.forward,
                limiters=real.limiters,
            )
        )

        limiters = real.limiters
        self._app = HttpApp(
            router=Router(
                handshake_routes(self.handshakes, limiters, Admission(real.config.rc_federation, clock=SystemClock()))
            ),
            authenticator=real.users.sessions,
            servers=Trusting(),
            limiters=limiters,
            access_log=AccessLog(scheme="http", tag="federation"),
            request_ids=RequestIds(),
        )

    @property
    def memberships(self) -> Any:
        """What the client API would call."""
        return self.handshakes.memberships

    async def register(self, name: str) -> "Person":
        """Somebody of this server."""
        return Person(self, await self.homeserver.register(name))

    async def membership(self, room_id: str, user_id: str) -> str:
        """By the state of the room as this server has it."""
        room = await self.rooms.rooms.get(room_id)
        return await self.rooms.rooms.membership(room, user_id)

    async def answer(self, origin: str, act: str, rest: list[str], query: list[tuple[str, str]], body: Any) -> Any:
        """The answer to a request of another server, by HTTP. Raises the error that it answers with."""
        version, _, name = act.partition(" ")
        if act in self.unknown:
            raise MatrixError(404, "M_UNRECOGNIZED", "Unknown request")
        if act == "v1 query":
            return {"room_id": await self.rooms.memberships.resolve(dict(query)["room_alias"]), "servers": []}
        content = b"" if body is None else encode_lenient(body)
        status, _, answer = await self._app.handle(
            "GET" if body is None else "PUT",
            path(version, name, *rest) + ("?" + urlencode(query) if query else ""),
            [
                (b"host", self.name.encode()),
                (b"authorization", f"X-Matrix {origin}".encode()),
                (b"content-length", str(len(content)).encode()),
            ],
            content,
        )
        decoded = decode_lenient(answer)
        if status != 200:
            extra = {key: value for key, value in decoded.items() if key not in ("errcode", "error")}
            raise MatrixError(status, decoded["errcode"], decoded["error"], extra=extra)
        return decoded


class Person:
    """A user, who acts through the functions that the client API calls."""

    def __init__(self, server: Server, client: Client) -> None:
        self.server = server
        self.client = client
        self.user_id = client.user_id
        self.requester = Requester(client.user_id, "DEVICE", None)

    async def join(self, room_id: str, *via: str) -> None:
        await self.server.memberships.join(self.requester, room_id, via=via)

    async def knock(self, room_id: str, *via: str) -> None:
        await self.server.memberships.knock(self.requester, room_id, via=via, reason="please")

    async def invite(self, room_id: str, target: "Person", *, is_direct: bool = False) -> None:
        await self.server.memberships.invite(self.requester, room_id, target.user_id, is_direct=is_direct)

    async def leave(self, room_id: str) -> None:
        await self.server.memberships.leave(self.requester, room_id)

    async def rooms(self, section: str) -> Any:
        """A section of `rooms` of the user's first sync, by room id."""
        return (await self.client.get("/sync")).ok().get("rooms", {}).get(section, {})


async def deliver(place: Town, room_id: str, person: Person, sender: str, receiver: str) -> None:
    """Tell a server of somebody's member event, as another one has it; as the sender of events would."""
    rooms = place.servers[sender].rooms.rooms
    stored = await rooms.member(await rooms.get(room_id), person.user_id)
    assert stored is not None
    await place.servers[receiver].rooms.accepting.accept(room_id, [Arrival(event=stored.event)])


def hosts_of(homeserver: Homeserver) -> Hosts:
    """Who is in which room, by this server."""
    rooms = homeserver.server.rooms
    hosts = Hosts(rooms=rooms.rooms, clock=SystemClock())
    rooms.appender.listeners.append(hosts.on_commit)
    return hosts


@asynccontextmanager
async def town(*names: str, databases: Sequence[Mapping[str, Any]] = (), **options: object) -> AsyncIterator[Town]:
    """Servers with these names, on these databases, or each with one in memory."""
    made = Town()
    async with AsyncExitStack() as stack:
        for number, name in enumerate(names):
            seed = chr(ord("B") + number) + "A" * 42
            in_memory = {"name": "sqlite3", "args": {"database": ":memory:"}}
            database = databases[number] if databases else in_memory
            homeserver = await stack.enter_async_context(
                running(database, server_name=name, signing_key=f"ed25519 a_{number} {seed}", **options)
            )
            Server(made, name, homeserver)
        yield made
