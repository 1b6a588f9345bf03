"""Builds federation: what this server asks of others, sends to them, takes from them and answers them."""

from collections.abc import Mapping
from dataclasses import dataclass

from ranvier import __version__
from ranvier.api.federation.keys import KeysApi
from ranvier.api.federation.transactions import TransactionsApi
from ranvier.api.federation.version import FederationVersionApi
from ranvier.app.accounts import UserServices
from ranvier.app.directory import DirectoryServices
from ranvier.app.e2ee import E2eeServices
from ranvier.app.federation_admission import admitted
from ranvier.app.federation_edus import DurableSources, EduNeeds, EduServices, build_edus, build_sources
from ranvier.app.federation_handshakes import HandshakeNeeds, HandshakeServices, build_handshakes, handshake_routes
from ranvier.app.federation_queries import Asking, build_asking, build_queries, query_routes
from ranvier.app.partial_joins import build_resyncs
from ranvier.app.rooms import RoomServices
from ranvier.config.model import Config
from ranvier.config.outbound_sections import FederationConfig
from ranvier.db.engine import Database
from ranvier.federation.admission import Admission
from ranvier.federation.auth_chain import AuthChains
from ranvier.federation.authenticate import ServerAuthentication
from ranvier.federation.backfill import Backfill
from ranvier.federation.client import FederationClient, Retries
from ranvier.federation.deliver import Delivering
from ranvier.federation.event_destinations import EventDestinations
from ranvier.federation.fetch_keys import KeyFetch, Notary
from ranvier.federation.find_keys import KeyFinder
from ranvier.federation.gaps import Gaps
from ranvier.federation.health import BackOff, ServerHealth
from ranvier.federation.keys import ServerKeys
from ranvier.federation.known_keys import KnownKeys
from ranvier.federation.notary import KeyNotary
from ranvier.federation.outbox import DeviceOutbox
from ranvier.federation.own_keys import OwnKeys
from ranvier.federation.pdu_times import PduTimes
from ranvier.federation.policed_writes import PolicedWrites
from ranvier.federation.policy_servers import PolicyServers
from ranvier.federation.receive import Receiving
from ranvier.federation.resident_rooms import ResidentRooms
from ranvier.federation.resync import Resyncs
from ranvier.federation.screening import Screens
from ranvier.federation.sender import Sender
from ranvier.federation.undelivered import UndeliveredEvents
from ranvier.federation.waiting_events import WaitingEvents
from ranvier.http.route import Route
from ranvier.ports import Clock, FederationTransport, Random
from ranvier.proto.key_documents import OldKey
from ranvier.proto.signing import SigningKey
from ranvier.ratelimit import RateLimiter
from ranvier.rooms.hosts import Hosts
from ranvier.rooms.room import Room
from ranvier.rooms.tidy import Tidying
from ranvier.store import backward_extremities


@dataclass(frozen=True, slots=True, kw_only=True)
class FederationNeeds:
    """What federation is built from."""

    db: Database
    clock: Clock
    random: Random
    config: Config
    users: UserServices
    rooms: RoomServices
    e2ee: E2eeServices
    directory: DirectoryServices
    limiters: Mapping[str, RateLimiter]
    transport: FederationTransport
    uses_threads: bool
    """False for plays, in which nothing may depend on the machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FederationServices:
    """What the APIs call, and what has to run."""

    authentication: ServerAuthentication
    client: FederationClient
    edus: EduServices
    finder: KeyFinder
    handshakes: HandshakeServices
    health: ServerHealth
    hosts: Hosts
    keys: ServerKeys
    receiving: Receiving
    resyncs: Resyncs
    sender: Sender
    tidying: Tidying
    outbox: DeviceOutbox
    pdu_times: PduTimes
    routes: list[Route]

    async def start(self) -> None:
        """Go on with what the last process left."""
        await self.receiving.start()
        await self.edus.start()

    async def stop(self) -> None:
        """Stop what is under way with other servers."""
        await self.resyncs.stop()
        await self.receiving.stop()
        await self.edus.stop()
        await self.sender.close()
        await self.finder.close()

    async def crash(self) -> None:
        """Be gone, for plays: nothing more is written."""
        await self.resyncs.stop()
        await self.receiving.stop()
        await self.edus.stop()
        await self.finder.close()
        await self.sender.crash()


async def build_federation(needs: FederationNeeds) -> FederationServices:
    """Every object of federation, and the wires from what asks to what answers."""
    db, clock, config, rooms = needs.db, needs.clock, needs.config, needs.rooms
    server_name = config.server_name
    signing_keys = [SigningKey(key.key_id, key.seed) for key in config.signing_keys]
    health = await ServerHealth.load(db=db, clock=clock, back_off=_back_off(config.federation))
    client = FederationClient(
        transport=needs.transport,
        server_name=server_name,
        signing_key=signing_keys[0],
        health=health,
        clock=clock,
        timeout_s=config.federation.client_timeout_ms / 1000,
        allowed=config.federation.domain_whitelist,
        retries=Retries(
            most=config.federation.max_short_retries,
            longest_pause_s=config.federation.max_short_retry_delay_ms / 1000,
        ),
    )
    known = KnownKeys(db=db)
    key_servers = config.key_servers
    notaries = [Notary(trusted.server_name, trusted.verify_keys) for trusted in key_servers.trusted]
    key_fetch = KeyFetch(client=client, notaries=notaries)
    finder = KeyFinder(known=known, fetch=key_fetch, clock=clock)
    own_keys = OwnKeys(
        server_name=server_name,
        signing_keys=signing_keys,
        old_keys={key.key_id: OldKey(key.public_key, key.expired_ts) for key in config.old_signing_keys},
        refresh_interval_ms=config.key_refresh_interval_ms,
        clock=clock,
    )
    keys = ServerKeys(own=own_keys, finder=finder, uses_thread=needs.uses_threads)
    hosts = Hosts(rooms=rooms.rooms, clock=clock)
    rooms.appender.listeners.append(hosts.on_commit)
    _police(rooms, PolicyServers(rooms=rooms.rooms, hosts_of=hosts.of, client=client))
    outbox = DeviceOutbox(db=db, clock=clock, random=needs.random)
    edu_needs = EduNeeds(db=db, clock=clock, config=config, rooms=rooms, e2ee=needs.e2ee, hosts=hosts)
    sources = build_sources(edu_needs, outbox)
    pdu_times = PduTimes(config.federation.metrics_domains)
    sender = _build_sender(needs, client, health, hosts, sources, pdu_times)
    screens = Screens(keys=keys)
    gaps = Gaps(rooms=rooms.rooms, accepting=rooms.accepting, outliers=rooms.outliers, client=client, screens=screens)
    backfill = await _build_backfill(needs, client, screens, gaps, hosts)
    handshakes = build_handshakes(
        HandshakeNeeds(
            db=db,
            clock=clock,
            random=needs.random,
            config=config,
            rooms=rooms,
            invitations=rooms.invitations,
            restricted_joins=rooms.restricted_joins,
            resident=ResidentRooms(rooms=rooms.rooms, hosts=hosts, server_name=server_name),
            auth_chains=AuthChains(db=db),
            client=client,
            keys=keys,
            screens=screens,
            gaps=gaps,
            forward=sender,
            limiters=needs.limiters,
        )
    )
    asking = Asking(client=client, screens=screens, gaps=gaps, backfill=backfill, hosts_of=hosts.of)
    key_asking = build_asking(
        config=config,
        clock=clock,
        asking=asking,
        rooms=rooms,
        users=needs.users,
        e2ee=needs.e2ee,
        directory=needs.directory,
    )
    queries = build_queries(config=config, rooms=rooms, e2ee=needs.e2ee, directory=needs.directory, hosts_of=hosts.of)
    edus = build_edus(edu_needs, sources, sender, key_asking)
    receiving = _build_receiving(needs, gaps, screens, hosts, handshakes, edus, pdu_times)
    admission = Admission(config.rc_federation, clock=clock)
    return FederationServices(
        authentication=ServerAuthentication(
            server_name=server_name,
            keys=keys,
            allowed=config.federation.domain_whitelist,
            now_ms=clock.now_ms,
            seen=health.seen,
        ),
        client=client,
        edus=edus,
        finder=finder,
        handshakes=handshakes,
        health=health,
        hosts=hosts,
        keys=keys,
        outbox=outbox,
        pdu_times=pdu_times,
        receiving=receiving,
        resyncs=build_resyncs(
            db=db,
            clock=clock,
            rooms=rooms,
            client=client,
            gaps=gaps,
            keys=keys,
            key_fetch=key_fetch,
            hosts_of=hosts.of,
            memberships=handshakes.memberships,
            give_up_ms=config.faster_joins_give_up_ms,
            server_name=server_name,
        ),
        sender=sender,
        tidying=_build_tidying(needs, signing_keys[0]),
        routes=[
            *FederationVersionApi(version=__version__).routes(),
            *KeysApi(
                own=own_keys,
                notary=KeyNotary(
                    own=own_keys,
                    known=known,
                    finder=finder,
                    signing_keys=[SigningKey(key.key_id, key.seed) for key in key_servers.notary_keys] or signing_keys,
                    clock=clock,
                ),
            ).routes(),
            *handshake_routes(handshakes, needs.limiters, admission),
            # A server has one transaction under way at a time; to delay it would only make the next one larger.
            *admitted(TransactionsApi(receiving=receiving).routes(), admission, paced=False),
            *query_routes(
                config=config,
                clock=clock,
                users=needs.users,
                directory=needs.directory,
                queries=queries,
                admission=admission,
            ),
        ],
    )


def _police(rooms: RoomServices, servers: PolicyServers) -> None:
    """Have policy servers asked about what is written and what comes in."""
    rooms.accepting.policing = servers
    rooms.writer.policing = PolicedWrites(
        rooms=rooms.rooms, writer=rooms.writer, accepting=rooms.accepting, servers=servers
    )


def _build_sender(
    needs: FederationNeeds,
    client: FederationClient,
    health: ServerHealth,
    hosts: Hosts,
    durable: DurableSources,
    pdu_times: PduTimes,
) -> Sender:
    db, clock, config, rooms = needs.db, needs.clock, needs.config, needs.rooms
    sources = durable.by_name()
    destinations = EventDestinations(
        rooms=rooms.rooms, hosts=hosts, server_name=config.server_name, allowed=config.federation.domain_whitelist
    )
    sender = Sender(
        db=db,
        clock=clock,
        health=health,
        delivering=Delivering(
            client=client,
            health=health,
            cache=rooms.cache,
            clock=clock,
            random=needs.random,
            server_name=config.server_name,
            sources=sources,
        ),
        destinations=destinations,
        undelivered=UndeliveredEvents(db=db, cache=rooms.cache, destinations=destinations, clock=clock),
        committed_pos=rooms.appender.committed_pos,
        sources=sources,
        pdu_times=pdu_times,
    )
    rooms.appender.listeners.append(sender.on_commit)
    return sender


async def _build_backfill(
    needs: FederationNeeds, client: FederationClient, screens: Screens, gaps: Gaps, hosts: Hosts
) -> Backfill:
    backfill = Backfill(
        db=needs.db,
        clock=needs.clock,
        client=client,
        screens=screens,
        gaps=gaps,
        servers=hosts.of,
        server_name=needs.config.server_name,
        rooms_with_gaps=await backward_extremities.rooms(needs.db),
    )
    needs.rooms.appender.listeners.append(backfill.on_commit)
    needs.rooms.timeline.elsewhere = backfill
    return backfill


def _build_receiving(
    needs: FederationNeeds,
    gaps: Gaps,
    screens: Screens,
    hosts: Hosts,
    handshakes: HandshakeServices,
    edus: EduServices,
    pdu_times: PduTimes,
) -> Receiving:
    server_name = needs.config.server_name

    async def is_here(room: Room) -> bool:
        return server_name in await hosts.of(room)

    waiting = WaitingEvents(
        db=needs.db,
        clock=needs.clock,
        rooms=needs.rooms.rooms,
        gaps=gaps,
        screens=screens,
        is_here=is_here,
        hosts_of=hosts.of,
        server_name=server_name,
    )
    return Receiving(
        rooms=needs.rooms.rooms,
        accepting=needs.rooms.accepting,
        waiting=waiting,
        screens=screens,
        is_here=is_here,
        on_edus=edus.incoming.take,
        on_outside=handshakes.rescinded.receive,
        pdu_times=pdu_times,
    )


def _build_tidying(needs: FederationNeeds, signing_key: SigningKey) -> Tidying:
    tidying = Tidying(
        rooms=needs.rooms.rooms,
        appender=needs.rooms.appender,
        accepting=needs.rooms.accepting,
        graph=needs.rooms.graph,
        clock=needs.clock,
        random=needs.random,
        server_name=needs.config.server_name,
        signing_key=signing_key,
        most=needs.config.dummy_events_threshold,
    )
    needs.rooms.appender.listeners.append(tidying.on_commit)
    needs.rooms.writer.tidy = tidying.tidy
    return tidying


def _back_off(config: FederationConfig) -> BackOff:
    return BackOff(
        first_ms=config.destination_min_retry_interval_ms,
        multiplier=config.destination_retry_multiplier,
        longest_ms=config.destination_max_retry_interval_ms,
        stumbles=config.max_long_retries,
        longest_pause_ms=config.max_long_retry_delay_ms,
    )
