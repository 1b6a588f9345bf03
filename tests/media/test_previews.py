"""`/media/preview_url`: pages, their pictures, and what is not visited."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from ranvier.app.homeserver import Homeserver as Server
from ranvier.app.homeserver import World
from ranvier.config.load import parse
from ranvier.db.open import open_database
from ranvier.http.listeners import app_for
from ranvier.ports import FederationStream, FederationUnreachable
from tests.api.asgi import Answer, Client
from tests.api.homeserver import OPTIONS, Homeserver
from tests.media.others import Wires, two_parts
from tests.media.store import PNG, call, download
from tests.media.test_thumbnails import picture

PAGE = b"<html><head><title>A page</title><meta property='og:image' content='/p.png'></head><body></body></html>"


class Web:
    """Pages by their addresses: type and content."""

    def __init__(self, **pages: tuple[str, bytes]) -> None:
        self.pages = {f"https://there.test/{name}": page for name, page in pages.items()}
        self.visits: list[str] = []
        self.headers: Mapping[str, str] = {}

    @asynccontextmanager
    async def get(
        self, url: str, *, headers: Mapping[str, str], timeout_s: float, limit_bytes: int
    ) -> AsyncIterator[FederationStream]:
        self.visits.append(url)
        self.headers = headers
        await asyncio.sleep(0)
        if url not in self.pages:
            raise FederationUnreachable("not there")
        content_type, body = self.pages[url]
        if len(body) > limit_bytes:
            raise FederationUnreachable("too large")

        async def chunks() -> AsyncIterator[bytes]:
            yield body

        yield FederationStream(200, {"content-type": content_type}, chunks())


@asynccontextmanager
async def with_web(
    folder: Path, web: Web, wires: Wires | None = None, **options: Any
) -> AsyncIterator[tuple[Homeserver, Client]]:
    config = parse(
        {
            **OPTIONS,
            "database": {"name": "sqlite3", "args": {"database": str(folder / "homeserver.db")}},
            "media_store_path": str(folder / "media"),
            "url_preview_enabled": True,
            "url_preview_ip_range_blacklist": ["127.0.0.0/8"],
            **options,
        }
    )
    database = await open_database(config.database, now_ms=0)
    server = await Server.start(config, world=World(database, wires or Wires(), web))
    try:
        app = app_for(
            config.listeners[0],
            server.routes,
            authenticator=server.users.sessions,
            servers=server.federation.authentication,
            limiters=server.limiters,
        )
        homeserver = Homeserver(server, app)
        yield homeserver, await homeserver.register("alice")
    finally:
        await server.close()


async def preview(server: Homeserver, client: Client | None, url: str) -> Answer:
    return await call(server, client, "GET", f"/_matrix/client/v1/media/preview_url?url={quote(url, safe='')}")


async def test_a_page_with_a_picture(tmp_path: Path) -> None:
    web = Web(**{"a": ("text/html; charset=utf-8", PAGE), "p.png": ("image/png", picture(30, 20))})
    async with with_web(tmp_path, web, url_preview_accept_language=["de", "en;q=0.5"]) as (server, alice):
        answers = await asyncio.gather(*(preview(server, alice, "https://there.test/a#part") for _ in range(3)))
        uri = ""
        for answer in answers:
            found = answer.ok()
            uri = found.pop("og:image")
            assert found == {
                "og:title": "A page",
                "og:image:type": "image/png",
                "og:image:width": 30,
                "og:image:height": 20,
                "matrix:image:size": len(picture(30, 20)),
            }
        assert web.visits == ["https://there.test/a", "https://there.test/p.png"]
        assert web.headers["Accept-Language"] == "de, en;q=0.5"
        name = uri.removeprefix("mxc://ranvier.test/")
        assert (await download(server, alice, name)).body == picture(30, 20)
        (kept,) = (tmp_path / "media").rglob("*/*/*")
        assert kept.relative_to(tmp_path / "media").parts[0] == "url_cache"
        # By the path of old, too; and who has no account sees nothing.
        old = await call(server, alice, "GET", "/_matrix/media/v3/preview_url?url=https://there.test/a")
        assert old.ok()["og:title"] == "A page"
        (await preview(server, None, "https://there.test/a")).refused(401, "M_MISSING_TOKEN")


async def test_pictures_and_other_files(tmp_path: Path) -> None:
    web = Web(**{"x/cat.png": ("image/png", PNG), "file": ("application/pdf", b"%PDF"), "no": ("text/html", b"")})
    async with with_web(tmp_path, web) as (server, alice):
        found = (await preview(server, alice, "https://there.test/x/cat.png")).ok()
        assert (found["og:title"], found["matrix:image:size"]) == ("cat.png", len(PNG))
        for name in ("file", "no"):
            assert (await preview(server, alice, f"https://there.test/{name}")).ok() == {}
        (await preview(server, alice, "https://there.test/away")).refused(502, "M_UNKNOWN")


async def test_what_is_not_visited(tmp_path: Path) -> None:
    page = PAGE.replace(b"/p.png", b"https://secret.test/p.png")
    web = Web(a=("text/html", page))
    rules = [{"netloc": "secret.test"}]
    async with with_web(tmp_path, web, url_preview_url_blacklist=rules, max_spider_size=1000) as (server, alice):
        (await preview(server, alice, "https://secret.test/")).refused(403, "M_FORBIDDEN")
        assert (await preview(server, alice, "https://there.test/a")).ok() == {"og:title": "A page"}
        for url in ("", "ftp://there.test/", "file:///etc/passwd", "https://", "https://[", "https://a.test/\n"):
            (await preview(server, alice, url)).refused(400, "M_INVALID_PARAM")
        assert web.visits == ["https://there.test/a"]
        web.pages["https://there.test/large"] = ("text/html", b"x" * 1001)
        (await preview(server, alice, "https://there.test/large")).refused(502, "M_UNKNOWN")


async def test_oembed(tmp_path: Path) -> None:
    providers = tmp_path / "providers.json"
    endpoint = {"schemes": ["https://there.test/v/*"], "url": "https://there.test/describe"}
    providers.write_text(json.dumps([{"provider_name": "x", "provider_url": "y", "endpoints": [endpoint]}]))
    described = {"type": "rich", "title": "T", "html": "<p>What it is all about, in words</p>", "provider_name": "P"}
    web = Web(linking=("text/html", b"<link rel=alternate type=application/json+oembed href=/linked>"))
    query = "format=json&url=https%3A%2F%2Fthere.test%2Fv%2F1"
    web.pages[f"https://there.test/describe?{query}"] = ("application/json", json.dumps(described).encode())
    web.pages["https://there.test/linked"] = ("application/json", b'{"type": "video", "title": "Linked", "html": 5}')
    options = {"additional_providers": [str(providers)], "disable_default_providers": True}
    async with with_web(tmp_path, web, oembed=options) as (server, alice):
        assert (await preview(server, alice, "https://there.test/v/1")).ok() == {
            "og:title": "T",
            "og:site_name": "P",
            "og:description": "What it is all about, in words",
        }
        assert (await preview(server, alice, "https://there.test/linked?")).status == 502
        assert (await preview(server, alice, "https://there.test/linking")).ok() == {"og:title": "Linked"}
        (await preview(server, alice, "https://www.youtube.com/watch?v=1")).refused(502, "M_UNKNOWN")
        assert web.visits[-1] == "https://www.youtube.com/watch?v=1"
    (tmp_path / "other").mkdir()
    async with with_web(tmp_path / "other", web) as (server, alice):
        (await preview(server, alice, "https://www.youtube.com/watch?v=1")).refused(502, "M_UNKNOWN")
        assert web.visits[-2].startswith("https://www.youtube.com/oembed?format=json&url=")


async def test_previews_are_off(tmp_path: Path) -> None:
    async with with_web(tmp_path, Web(), url_preview_enabled=False) as (server, alice):
        (await preview(server, alice, "https://there.test/a")).refused(404, "M_UNRECOGNIZED")


async def test_old_previews_go(tmp_path: Path) -> None:
    web = Web(**{"p.png": ("image/png", PNG)})
    async with with_web(tmp_path, web) as (server, alice):
        await preview(server, alice, "https://there.test/p.png")
        async with server.db.write() as tx:
            await tx.run("UPDATE media SET last_access_ts = 5")
            await tx.run("UPDATE url_previews SET expires_ts = 5")
        media = server.server.media
        assert media is not None
        await media.retention.look()
        assert not [path for path in (tmp_path / "media").rglob("*") if path.is_file()]
        await preview(server, alice, "https://there.test/p.png")
        assert len(web.visits) == 2


@pytest.mark.parametrize(("where", "status"), [("file.png", 200), ("large", 502), ("gone", 502)])
async def test_media_that_have_gone_elsewhere(tmp_path: Path, where: str, status: int) -> None:
    web = Web(**{"file.png": ("image/png", PNG), "large": ("image/png", PNG * 100)})
    wires = Wires()
    wires.answers["far.test"] = lambda target: two_parts(b"", f"Location: https://there.test/{where}")
    options = {"max_upload_size": 1000, "federation_domain_whitelist": None}
    async with with_web(tmp_path, web, wires, **options) as (server, alice):
        answer = await download(server, alice, "far.test/abc")
        assert answer.status == status
        assert web.visits == [f"https://there.test/{where}"]
        if status == 200:
            assert (answer.body, answer.headers["content-type"]) == (PNG, "image/png")
