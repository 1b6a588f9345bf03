"""One homeserver in this process: opened, served, closed. Several may live side by side."""

import asyncio
import logging
import socket
import ssl
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ranvier.api.client.usage_guard import counted
from ranvier.app.account_validity import build_validity
from ranvier.app.accounts import UserServices, build_users
from ranvier.app.admin import AdminServices, admin_routes, build_admin
from ranvier.app.admin_rooms import admin_room_routes
from ranvier.app.departures import build_departures
from ranvier.app.directory import build_directory, directory_routes
from ranvier.app.e2ee import E2eeServices, build_e2ee, e2ee_routes
from ranvier.app.federation import FederationNeeds, FederationServices, build_federation
from ranvier.app.jobs import optional_jobs, own_jobs, start_jobs
from ranvier.app.media import MediaServices, Webs, build_media, open_webs
from ranvier.app.metrics import Metrics
from ranvier.app.missed_mail import build_missed_mail
from ranvier.app.notices import build_notices
from ranvier.app.optional import Tracing, open_tracing
from ranvier.app.proofs import proof_routes
from ranvier.app.reload import Put
from ranvier.app.reload_parts import prepare_parts
from ranvier.app.retention import RetentionServices, build_retention
from ranvier.app.rooms import RoomServices, build_rooms
from ranvier.app.routes import all_routes
from ranvier.app.sso import build_sso
from ranvier.app.user_directory import UserDirectoryServices, build_user_directory
from ranvier.config.model import Config
from ranvier.config.sections import Listener, ListenerType
from ranvier.db.engine import Database
from ranvier.db.migrate import migrate
from ranvier.db.open import open_database
from ranvier.http.listeners import HttpListeners, serve_listeners, serve_one, tls_context
from ranvier.http.other_listeners import Opener, OpenListener, open_others, stop_others
from ranvier.http.route import Route
from ranvier.http.sockets import ListenError
from ranvier.net.named_services import NamedServices
from ranvier.net.open import open_transport
from ranvier.net.transport import NetTransport
from ranvier.ports import (
    Clock,
    FederationTransport,
    NoWeb,
    Random,
    SystemClock,
    SystemRandom,
    WebTransport,
)
from ranvier.ratelimit import OwnLimits, rate_limiters
from ranvier.rooms.auto_join import AutoJoin
from ranvier.store import users as user_store

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class World:
    """What a play has instead of a machine and a network."""

    database: Database
    """Open; it is migrated at the start, and closed with the server."""
    transport: FederationTransport
    web: WebTransport = field(default_factory=NoWeb)


class Homeserver:
    """Everything that belongs to one server name. Make one with `start`."""

    def __init__(
        self,
        *,
        config: Config,
        db: Database,
        users: UserServices,
        rooms: RoomServices,
        e2ee: E2eeServices,
        federation: FederationServices,
        admin: AdminServices,
        retention: RetentionServices,
        user_directory: UserDirectoryServices,
        media: MediaServices | None,
        routes: Sequence[Route],
    ) -> None:
        self.config = config
        self.db = db
        self.users = users
        self.rooms = rooms
        self.e2ee = e2ee
        self.federation = federation
        self.admin = admin
        self.retention = retention
        self.user_directory = user_directory
        self.media = media
        self.routes = routes
        self.limiters = rate_limiters(config, clock=SystemClock())
        self.metrics: Metrics | None = None
        self._listeners: HttpListeners | None = None
        self._other_listeners: list[OpenListener] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._appending: asyncio.Task[None] | None = None
        self._transport: NetTransport | None = None
        self._webs: Webs | None = None
        self._tracing: Tracing | None = None

    @classmethod
    async def start(
        cls, config: Config, *, clock: Clock | None = None, random: Random | None = None, world: World | None = None
    ) -> "Homeserver":
        """Open the database and build everything; `listen` comes after. Raises `DatabaseError` or `CannotStart`.

        `world` stands in for the machine and the network, in plays.
        """
        clock = clock or SystemClock()
        random = random or SystemRandom()
        own_transport = None
        webs = open_webs(config) if world is None else Webs(world.web, world.web)
        tracing = open_tracing(config)
        if world is None:
            own_transport = open_transport(config, clock=clock)
            world = World(
                await open_database(config.database, now_ms=clock.now_ms()),
                own_transport if tracing is None else tracing.transport(own_transport),
            )
        else:
            await migrate(world.database, now_ms=clock.now_ms())
        db = world.database
        own_limits = OwnLimits()
        limiters = dict(rate_limiters(config, clock=clock, own=own_limits))
        _say_services(config)
        users = await build_users(
            db=db,
            clock=clock,
            random=random,
            config=config,
            limiters=limiters,
            own_limits=own_limits,
            transport=world.transport,
        )
        e2ee = await build_e2ee(db=db, clock=clock, config=config, users=users)
        rooms = await build_rooms(
            db=db,
            clock=clock,
            random=random,
            config=config,
            profiles=users.profiles,
            account_data=users.account_data,
            push_rules=users.push_rules,
            encryption=e2ee,
            limiters=limiters,
            services=users.application_services,
        )
        departures = build_departures(users, rooms)
        directory = build_directory(
            config=config, clock=clock, random=random, rooms=rooms, services=users.application_services
        )
        federation = await build_federation(
            FederationNeeds(
                db=db,
                clock=clock,
                random=random,
                config=config,
                users=users,
                rooms=rooms,
                e2ee=e2ee,
                directory=directory,
                limiters=limiters,
                transport=world.transport,
                uses_threads=own_transport is not None,
            )
        )
        if config.auto_join.rooms:
            auto_join = AutoJoin(
                config=config.auto_join,
                server_name=config.server_name,
                create=rooms.creating.create_room,
                entering=federation.handshakes.memberships,
            )
            users.administration.accounts.welcomes.append(auto_join.welcome)
        notices = await build_notices(config=config, users=users, rooms=rooms)
        validity = await build_validity(config=config, db=db, clock=clock, random=random, users=users)
        missed_mail = build_missed_mail(config=config, clock=clock, users=users, rooms=rooms)
        admin = build_admin(config=config, clock=clock, random=random, users=users, rooms=rooms)
        sso = build_sso(
            config=config,
            db=db,
            clock=clock,
            random=random,
            users=users,
            rooms=rooms,
            transport=NamedServices(config.outbound),
        )
        user_directory = build_user_directory(config=config, clock=clock, rooms=rooms, updates=admin.updates)
        media = build_media(
            config=config.media,
            server_name=config.server_name,
            db=db,
            clock=clock,
            random=random,
            client=federation.client,
            web=webs.media,
            preview_web=webs.previews,
            accounts=users.administration,
            rooms=rooms.rooms,
        )
        if media is not None:
            users.profiles.avatars = rooms.member_content.avatars = media.avatars
        server = cls(
            config=config,
            db=db,
            users=users,
            rooms=rooms,
            e2ee=e2ee,
            federation=federation,
            admin=admin,
            retention=build_retention(config=config, clock=clock, users=users, rooms=rooms, tasks=admin.tasks),
            user_directory=user_directory,
            media=media,
            routes=[
                *all_routes(
                    config=config,
                    clock=clock,
                    users=users,
                    rooms=rooms,
                    memberships=federation.handshakes.memberships,
                    limiters=limiters,
                    leave_rooms=departures.finish,
                ),
                *federation.routes,
                *validity.routes,
                *e2ee_routes(e2ee, rooms.device_lists),
                *directory_routes(config=config, directory=directory, rooms=rooms),
                *user_directory.routes,
                *([] if sso is None else sso.routes),
                *proof_routes(
                    config=config, db=db, users=users, limiters=limiters, transport=NamedServices(config.outbound)
                ),
                *([] if media is None else media.routes),
                *admin_room_routes(clock=clock, users=users, rooms=rooms, federation=federation, tasks=admin.tasks),
                *admin_routes(
                    admin=admin,
                    clock=clock,
                    users=users,
                    rooms=rooms,
                    e2ee=e2ee,
                    directory=directory,
                    federation=federation,
                    notices=notices.notices,
                    leave_rooms=departures.finish,
                ),
            ],
        )
        server.routes = notices.watched(server.routes)
        if users.monthly is not None:
            server.routes = counted(server.routes, users.monthly)
        if config.enable_metrics:
            server.metrics = Metrics(
                clock=clock, db=db, rooms=rooms, federation=federation, known_servers=config.metrics_known_servers
            )
            server.metrics.monthly = users.monthly
            server.routes = [*server.routes, *server.metrics.routes()]
        if tracing is not None:
            server._tracing = tracing
            server.routes = tracing.routes(server.routes)
        server.limiters = limiters
        server._transport = own_transport
        server._webs = webs
        server._appending = asyncio.create_task(rooms.appender.run(), name="appender")
        server._tasks = start_jobs(
            [
                *own_jobs(
                    users=users,
                    rooms=rooms,
                    e2ee=e2ee,
                    federation=federation,
                    admin=admin,
                    user_directory=user_directory,
                    departures=departures,
                    metrics=server.metrics,
                ),
                *optional_jobs(validity=validity.validity, missed_mail=missed_mail, monthly=users.monthly),
                *server.retention.jobs,
                *([] if media is None else media.jobs),
                *notices.jobs,
            ]
        )
        await federation.start()
        return server

    async def listen(self) -> None:
        """Accept requests. Raises `ListenError`."""
        self._other_listeners = await open_others(self.config.listeners, self._openers())
        self._listeners = await serve_listeners(
            self.routes,
            self.config.listeners,
            authenticator=self.users.sessions,
            servers=self.federation.authentication,
            limiters=self.limiters,
            tls=self._tls(),
            counts=None if self.metrics is None else self.metrics.requests,
        )

    def _openers(self) -> Mapping[ListenerType, Opener]:
        """What opens the listeners that are not of type `http`."""
        return {"metrics": self._open_metrics, "manhole": self._open_manhole}

    async def _open_metrics(self, listener: Listener, sockets: list[socket.socket]) -> OpenListener:
        if self.metrics is None:
            logger.warning("There is a listener for metrics on %s, but enable_metrics is off", listener.log_tag)
        return await serve_one(listener, sockets, [] if self.metrics is None else self.metrics.routes())

    async def _open_manhole(self, listener: Listener, sockets: list[socket.socket]) -> OpenListener:
        try:
            # Only who has a manhole needs what speaks SSH.
            from ranvier.app.manhole.open import Manhole
        except ModuleNotFoundError as error:
            for sock in sockets:
                sock.close()
            raise ListenError(
                f"a manhole is configured on {listener.log_tag}, but what speaks SSH is not installed: "
                "pip install 'ranvier[manhole]'"
            ) from error
        manhole = Manhole()
        await manhole.open(sockets, config=self.config, names={"hs": self})
        return manhole

    def prepare_reload(self, fresh: Config) -> list[Put]:
        """Try what this configuration says otherwise than ours; what puts it in its place. Raises `CannotReload`."""
        return prepare_parts(
            fresh,
            transport=self._transport,
            listeners=self._listeners,
            limiters=self.limiters,
            rooms=self.rooms.rooms,
            sessions=self.users.sessions,
        )

    async def has_users(self) -> bool:
        """Whether anybody has an account."""
        return await user_store.any_user(self.db)

    async def close(self) -> None:
        """Finish what is under way, and stop."""
        if self._listeners is not None:
            await self._listeners.stop()
        await stop_others(self._other_listeners)
        await self.federation.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.rooms.appender.stop()
        if self._appending is not None:
            await self._appending
        self.users.passwords.close()
        if self.users.mail is not None:
            await self.users.mail.mailer.close()
        await self.users.last_seen.flush()
        if self.users.monthly is not None:
            await self.users.monthly.flush()
        await self.user_directory.index.finish()
        await self.rooms.ephemeral.unread_notes.flush()
        await self.e2ee.inboxes.flush()
        if self.media is not None:
            await self.media.close()
        await self.federation.health.flush()
        await self.db.close()
        if self._transport is not None:
            await self._transport.close()
        if self._webs is not None:
            await self._webs.close()
        if self._tracing is not None:
            await self._tracing.close()

    async def crash(self) -> None:
        """Be gone in the middle of everything, for plays: nothing is finished, nothing more is written."""
        tasks = [*self._tasks, *([] if self._appending is None else [self._appending])]
        for task in tasks:
            task.cancel()
        await self.federation.crash()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.db.close()

    def _tls(self) -> ssl.SSLContext | None:
        certificate, key = self.config.tls_certificate_path, self.config.tls_private_key_path
        if certificate is None or key is None or not any(listener.tls for listener in self.config.listeners):
            return None
        try:
            return tls_context(certificate, key)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            place = self.config.place_of("tls_certificate_path")
            raise ListenError(f"{place}{certificate} with {key}: {error}") from error


def _say_services(config: Config) -> None:
    """What of the application services does not work yet is better known before one waits for it."""
    waiting = [service.id for service in config.application_services if service.url is not None]
    if waiting:
        logger.warning("Application services are not told of events yet (delivery comes later): %s", ", ".join(waiting))


if __name__ == "__main__":
    # The name by which manuals know the program: `python -m ranvier.app.homeserver -c homeserver.yaml`.
    from ranvier.cli.commands import main

    sys.exit(main())
