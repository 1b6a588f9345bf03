"""Builds the content repository."""

import logging
import os
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ranvier.api.admin.media import AdminMediaApi
from ranvier.api.admin.media_groups import AdminMediaGroupsApi
from ranvier.api.client.media_download import MediaDownloadApi
from ranvier.api.client.media_preview import MediaPreviewApi
from ranvier.api.client.media_thumbnail import MediaThumbnailApi
from ranvier.api.client.media_upload import MediaUploadApi
from ranvier.api.federation.media import FederationMediaApi
from ranvier.config.media_sections import MediaConfig
from ranvier.config.model import Config
from ranvier.db.engine import Database
from ranvier.federation.ask_media import MediaAsking
from ranvier.federation.client import FederationClient
from ranvier.http.route import Route
from ranvier.media.accesses import Accesses
from ranvier.media.administration import MediaAdministration
from ranvier.media.arrivals import Arrivals
from ranvier.media.avatars import AvatarLimits
from ranvier.media.file_store import INCOMING, FileStore
from ranvier.media.library import Library
from ranvier.media.pictures import can_draw
from ranvier.media.preview_rules import is_blocked
from ranvier.media.previews import Previews
from ranvier.media.remote import RemoteMedia
from ranvier.media.retention import MediaRetention
from ranvier.media.threads import MediaThreads
from ranvier.media.thumbnails import Thumbnails
from ranvier.media.uploads import Uploads
from ranvier.net.open_web import open_preview_web, open_web
from ranvier.net.web import Web
from ranvier.ports import Clock, NoWeb, Random, WebTransport
from ranvier.rooms.room_media import RoomMedia
from ranvier.rooms.rooms import Rooms
from ranvier.users.administration import Administration

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaServices:
    """What serves media, and what has to run."""

    library: Library
    uploads: Uploads
    remote: RemoteMedia
    files: FileStore
    accesses: Accesses
    threads: MediaThreads
    thumbnails: Thumbnails
    administration: MediaAdministration
    retention: MediaRetention
    previews: Previews | None
    avatars: AvatarLimits
    routes: list[Route]
    jobs: list[tuple[str, Callable[[], Awaitable[None]]]]
    """By name."""

    async def close(self) -> None:
        """Finish what is under way."""
        await self.remote.close()
        await self.thumbnails.close()
        if self.previews is not None:
            await self.previews.close()
        await self.files.close()
        await self.accesses.flush()
        self.threads.close()


def build_media(
    *,
    config: MediaConfig | None,
    server_name: str,
    db: Database,
    clock: Clock,
    random: Random,
    client: FederationClient,
    web: WebTransport,
    preview_web: WebTransport,
    accounts: Administration,
    rooms: Rooms,
) -> MediaServices | None:
    """Every object of it; `None` where this process serves no media. What a crash has left half is removed."""
    if config is None:
        return None
    threads = MediaThreads()
    files = FileStore(config=config, threads=threads)
    shutil.rmtree(os.path.join(files.primary, INCOMING), ignore_errors=True)
    arrivals, accesses = Arrivals(), Accesses(db=db, clock=clock)
    uploads = Uploads(
        db=db, files=files, arrivals=arrivals, clock=clock, random=random, config=config, server_name=server_name
    )
    remote = RemoteMedia(
        db=db,
        files=files,
        clock=clock,
        random=random,
        config=config,
        own_server=server_name,
        origins=MediaAsking(client=client, web=web),
    )
    library = Library(
        db=db,
        files=files,
        remote=remote,
        arrivals=arrivals,
        accesses=accesses,
        clock=clock,
        config=config,
        server_name=server_name,
    )
    thumbnails = Thumbnails(config=config, files=files, threads=threads, own_server=server_name)
    if not can_draw():
        logger.warning(
            "Thumbnails are not made smaller: what draws them is not installed: pip install 'ranvier[thumbnails]'"
        )
    administration = MediaAdministration(
        db=db,
        files=files,
        accesses=accesses,
        clock=clock,
        server_name=server_name,
        needs_token=config.enable_authenticated_media,
    )
    retention = MediaRetention(config=config, administration=administration, clock=clock)
    previews = None
    if config.previews is not None:
        previews = Previews(
            db=db,
            files=files,
            threads=threads,
            web=preview_web,
            clock=clock,
            random=random,
            config=config.previews,
            server_name=server_name,
            needs_token=config.enable_authenticated_media,
        )
    return MediaServices(
        library=library,
        uploads=uploads,
        remote=remote,
        files=files,
        accesses=accesses,
        threads=threads,
        thumbnails=thumbnails,
        administration=administration,
        retention=retention,
        previews=previews,
        avatars=AvatarLimits(config=config, library=library),
        routes=[
            *([] if previews is None else MediaPreviewApi(previews=previews).routes()),
            *MediaUploadApi(uploads=uploads, max_upload_bytes=config.max_upload_bytes).routes(),
            *MediaDownloadApi(library=library, threads=threads).routes(),
            *MediaThumbnailApi(library=library, thumbnails=thumbnails, threads=threads).routes(),
            *FederationMediaApi(library=library, thumbnails=thumbnails, threads=threads, random=random).routes(),
            *AdminMediaApi(media=administration).routes(),
            *AdminMediaGroupsApi(
                media=administration,
                administration=accounts,
                media_of_room=RoomMedia(rooms=rooms, clock=clock).of,
            ).routes(),
        ],
        jobs=[("accesses to media", accesses.run), ("old media", retention.run)],
    )


@dataclass(frozen=True, slots=True)
class Webs:
    """What reaches web servers: where media of other servers have gone, and for previews, whose rules are others."""

    media: WebTransport
    previews: WebTransport
    opened: tuple[Web, ...] = ()

    async def close(self) -> None:
        """Close what was opened."""
        for web in self.opened:
            await web.close()


def open_webs(config: Config) -> Webs:
    """As the configuration says. Costs nothing until the first request."""
    rules = () if config.media is None or config.media.previews is None else config.media.previews.url_blacklist
    web, previews = open_web(config), open_preview_web(config, lambda url: not is_blocked(url, rules))
    return Webs(web, previews or NoWeb(), (web,) if previews is None else (web, previews))
