"""`/media/thumbnail`: sizes, crops, orientation, what moves, and what is refused."""

import asyncio
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ranvier.media import thumbnails as drawing
from tests.api.asgi import Answer, Client
from tests.api.homeserver import Homeserver
from tests.media.others import Wires, connected
from tests.media.store import call, download, files, upload, with_media


def picture(width: int, height: int, form: str = "PNG", mode: str = "RGB", **saved: Any) -> bytes:
    """Red on the left, blue on the right."""
    image = Image.new(mode, (width, height), "red")
    image.paste("blue", (width // 2, 0, width, height))
    out = io.BytesIO()
    image.save(out, form, **saved)
    return out.getvalue()


def moving(width: int, height: int) -> bytes:
    frames = [Image.new("RGB", (width, height), color) for color in ("red", "green", "blue")]
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], duration=50)
    return out.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG that says it is so large, of a few bytes."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


async def thumbnail(
    server: Homeserver, client: Client, name: str, width: int, height: int, method: str = "scale", more: str = ""
) -> Answer:
    whole = name if "/" in name else f"ranvier.test/{name}"
    query = f"?width={width}&height={height}&method={method}{more}"
    return await call(server, client, "GET", f"/_matrix/client/v1/media/thumbnail/{whole}{query}")


def opened(answer: Answer) -> Any:
    assert answer.status == 200, answer.body
    assert answer.headers["content-disposition"].startswith("inline; filename=thumbnail.")
    return Image.open(io.BytesIO(answer.body))


async def test_sizes_of_the_configuration(tmp_path: Path) -> None:
    async with with_media(tmp_path) as server:
        alice = await server.register("alice")
        name = await upload(server, alice, picture(2000, 1000))
        for (width, height, method), size in (
            ((30, 30, "crop"), (32, 32)),
            ((32, 33, "crop"), (96, 96)),
            ((100, 100, "scale"), (320, 160)),
            ((640, 480, "scale"), (640, 320)),
            ((800, 600, "crop"), (800, 400)),
            # Nothing of these is large enough: the picture itself.
            ((801, 600, "scale"), (2000, 1000)),
        ):
            image = opened(await thumbnail(server, alice, name, width, height, method))
            assert image.size == size
        assert f"local_thumbnails/{name[:2]}/{name[2:4]}/{name[4:]}/32-32-image-png-crop" in files(tmp_path)
        # The middle: left of it red, right of it blue.
        image = opened(await thumbnail(server, alice, name, 96, 96, "crop")).convert("RGB")
        assert image.getpixel((10, 50)) == (255, 0, 0)
        assert image.getpixel((85, 50)) == (0, 0, 255)
        (await thumbnail(server, alice, name, 0, 10)).refused(400, "M_INVALID_PARAM")


async def test_dynamic_thumbnails(tmp_path: Path) -> None:
    async with with_media(tmp_path, dynamic_thumbnails=True) as server:
        alice = await server.register("alice")
        name = await upload(server, alice, picture(400, 200, "JPEG"), "image/jpeg")
        image = opened(await thumbnail(server, alice, name, 50, 50, "crop"))
        assert (image.size, image.format) == ((50, 50), "JPEG")
        assert opened(await thumbnail(server, alice, name, 60, 50)).size == (60, 30)
        # Never larger than it is.
        assert opened(await thumbnail(server, alice, name, 1000, 1000, "crop")).size == (400, 200)


async def test_thumbnail_sizes(tmp_path: Path) -> None:
    sizes = [{"width": 40, "height": 40, "method": "crop"}]
    async with with_media(tmp_path, thumbnail_sizes=sizes) as server:
        alice = await server.register("alice")
        name = await upload(server, alice, picture(400, 200))
        assert opened(await thumbnail(server, alice, name, 32, 32, "scale")).size == (40, 40)


async def test_pictures_are_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    async with with_media(tmp_path) as server:
        alice = await server.register("alice")
        name = await upload(server, alice, picture(1000, 500, "JPEG", exif=exif), "image/jpeg")
        image = opened(await thumbnail(server, alice, name, 320, 240)).convert("RGB")
        assert image.size == (120, 240)
        red, _, blue = image.getpixel((60, 20))
        assert red > 200 > blue


async def test_what_shines_through_stays_so(tmp_path: Path) -> None:
    async with with_media(tmp_path) as server:
        alice = await server.register("alice")
        image = Image.new("RGBA", (500, 500), (0, 0, 0, 0))
        out = io.BytesIO()
        image.save(out, "WEBP", lossless=True)
        name = await upload(server, alice, out.getvalue(), "image/webp")
        small = opened(await thumbnail(server, alice, name, 96, 96, "crop"))
        assert (small.format, small.convert("RGBA").getpixel((5, 5))[3]) == ("PNG", 0)


async def test_what_moves(tmp_path: Path) -> None:
    async with with_media(tmp_path) as server:
        alice = await server.register("alice")
        large, small = (
            await upload(server, alice, moving(400, 400), "image/gif"),
            await upload(server, alice, moving(20, 20), "image/gif"),
        )
        image = opened(await thumbnail(server, alice, large, 96, 96, "crop", "&animated=true"))
        assert (image.format, image.n_frames, image.size) == ("WEBP", 3, (96, 96))
        for more in ("&animated=false", ""):
            image = opened(await thumbnail(server, alice, large, 96, 96, "crop", more))
            assert (getattr(image, "n_frames", 1), image.size) == (1, (96, 96))
            image = opened(await thumbnail(server, alice, small, 96, 96, "crop", more))
            assert (getattr(image, "n_frames", 1), image.size) == (1, (20, 20))
        assert opened(await thumbnail(server, alice, small, 96, 96, "crop", "&animated=true")).n_frames == 3
        # What does not move is the same, whatever was asked for.
        still = await upload(server, alice, picture(400, 400))
        assert opened(await thumbnail(server, alice, still, 96, 96, "crop", "&animated=true")).format == "PNG"


async def test_what_is_refused(tmp_path: Path) -> None:
    async with with_media(tmp_path, max_image_pixels=10_000) as server:
        alice = await server.register("alice")
        for content, status, errcode in (
            (picture(101, 100), 413, "M_TOO_LARGE"),
            (bomb(60_000, 60_000), 413, "M_TOO_LARGE"),
            (bomb(90, 90), 400, "M_UNKNOWN"),
            (b"<html>", 400, "M_UNKNOWN"),
            (b"", 400, "M_UNKNOWN"),
            (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", 400, "M_UNKNOWN"),
        ):
            name = await upload(server, alice, content)
            (await thumbnail(server, alice, name, 32, 32, "crop")).refused(status, errcode)
        (await thumbnail(server, alice, "unknown", 32, 32)).refused(404, "M_NOT_FOUND")


async def test_many_want_the_same(tmp_path: Path) -> None:
    async with with_media(tmp_path) as server:
        alice = await server.register("alice")
        name = await upload(server, alice, picture(900, 900))
        answers = await asyncio.gather(*(thumbnail(server, alice, name, 320, 240) for _ in range(5)))
        assert len({answer.body for answer in answers}) == 1
        known = await call(
            server,
            alice,
            "GET",
            f"/_matrix/client/v1/media/thumbnail/ranvier.test/{name}?width=320&height=240",
            headers={"if-none-match": answers[0].headers["etag"]},
        )
        assert known.status == 304
        # A thumbnail is not the picture.
        assert (await download(server, alice, name)).headers["etag"] != answers[0].headers["etag"]


async def test_pictures_of_other_servers(tmp_path: Path) -> None:
    wires = Wires()
    async with connected(tmp_path, wires, "here.test", "there.test", options={"max_image_pixels": 250_000}) as servers:
        here, there = servers
        alice, bob = await here.register("alice"), await there.register("bob")
        name = ""
        for content, status in ((picture(500, 500), 200), (picture(501, 500), 502)):
            answer = await call(there, bob, "POST", "/_matrix/media/v3/upload", content, content_type="image/png")
            name = answer.ok()["content_uri"].removeprefix("mxc://")
            assert (await thumbnail(here, alice, name, 96, 96, "crop")).status == status
        client = here.server.federation.client
        path = f"/_matrix/federation/v1/media/thumbnail/{name.partition('/')[2]}"
        size = [("width", "9"), ("height", "9")]
        with pytest.raises(Exception, match="M_TOO_LARGE"):
            async with client.stream("there.test", path, query=size, timeout_s=5, limit_bytes=10_000):
                pass


async def test_a_thumbnail_for_another_server(tmp_path: Path) -> None:
    async with connected(tmp_path, Wires(), "here.test", "there.test") as (here, there):
        bob = await there.register("bob")
        answer = await call(there, bob, "POST", "/_matrix/media/v3/upload", picture(500, 500))
        path = f"/_matrix/federation/v1/media/thumbnail/{answer.ok()['content_uri'].rpartition('/')[2]}"
        size = [("width", "9"), ("height", "9"), ("method", "crop")]
        client = here.server.federation.client
        async with client.stream("there.test", path, query=size, timeout_s=5, limit_bytes=100_000) as got:
            assert got.headers["content-type"].startswith("multipart/mixed; boundary=")
            body = b"".join([chunk async for chunk in got.chunks])
        assert b"Content-Type: image/png" in body


async def test_without_what_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "can_draw", lambda: False)
    async with with_media(tmp_path) as server:
        alice = await server.register("alice")
        still, gif = (
            await upload(server, alice, picture(500, 500)),
            await upload(server, alice, moving(50, 50), "image/gif"),
        )
        assert opened(await thumbnail(server, alice, still, 96, 96)).size == (500, 500)
        assert opened(await thumbnail(server, alice, gif, 96, 96, more="&animated=true")).size == (50, 50)
        (await thumbnail(server, alice, gif, 96, 96)).refused(400, "M_UNKNOWN")
        page = await upload(server, alice, b"<html>", "text/html")
        (await thumbnail(server, alice, page, 96, 96)).refused(400, "M_UNKNOWN")
