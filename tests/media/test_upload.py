"""`/media/upload`, `/media/create`, and what comes back from `/media/download`."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ranvier.config.load import ConfigError, parse
from tests.api.homeserver import Homeserver, running
from tests.api.own_clock import OwnClock
from tests.media.store import PNG, call, download, files, legacy, media_id, upload, with_media


async def test_what_was_uploaded_comes_back(tmp_path: Path) -> None:
    async with with_media(tmp_path) as server:
        alice, bob = await server.register("alice"), await server.register("bob")
        name = await upload(server, alice, PNG, query="?filename=a%20cat.png")
        assert len(name) == 24
        answer = await download(server, bob, name)
        assert (answer.status, answer.body) == (200, PNG)
        assert answer.headers["content-type"] == "image/png"
        assert answer.headers["content-disposition"] == 'inline; filename="a cat.png"'
        assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
        assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
        assert answer.headers["cache-control"].startswith("private")
        assert files(tmp_path) == {f"local_content/{name[:2]}/{name[2:4]}/{name[4:]}": PNG}
        assert (await download(server, None, name)).status == 401
        assert (await download(server, bob, f"ranvier.test/{name}/b.txt")).headers["content-disposition"] == (
            "inline; filename=b.txt"
        )


async def test_on_each_database(homeserver_on_each: Homeserver, tmp_path: Path) -> None:
    server = homeserver_on_each
    alice = await server.register("alice")
    # What no TEXT column holds.
    name = await upload(server, alice, b"<html>", "text/html", "?filename=%00%C3%A4.html")
    answer = await download(server, alice, name)
    assert answer.headers["content-disposition"] == "attachment; filename*=utf-8''%00%C3%A4.html"
    assert answer.headers["content-type"] == "text/html"
    created = (await call(server, alice, "POST", "/_matrix/media/v1/create")).ok()
    target = f"/_matrix/media/v3/upload/ranvier.test/{media_id(created['content_uri'])}"
    (await call(server, alice, "PUT", target, b"x", content_type="text/plain")).ok()
    assert (await download(server, alice, media_id(created["content_uri"]))).body == b"x"


async def test_a_large_file_in_parts(tmp_path: Path) -> None:
    large = bytes(range(256)) * 4096
    async with with_media(tmp_path) as server:
        alice = await server.register("alice")
        name = await upload(server, alice, large, "video/mp4")
        assert (await download(server, alice, name)).body == large
        for wanted, expected in (
            ("bytes=0-9", large[:10]),
            ("bytes=1000000-", large[1_000_000:]),
            ("bytes=-5", large[-5:]),
            ("bytes=262140-262150", large[262140:262151]),
            ("bytes=300000-300001", large[300000:300002]),
        ):
            answer = await download(server, alice, name, range=wanted)
            assert (answer.status, answer.body == expected) == (206, True), wanted
            assert answer.headers["content-range"].endswith(f"/{len(large)}")
        beyond = await download(server, alice, name, range="bytes=9999999-")
        assert (beyond.status, beyond.headers["content-range"]) == (416, f"bytes */{len(large)}")
        for nonsense in ("bytes=5-1", "lines=1-2", "bytes=1-2,5-6"):
            assert (await download(server, alice, name, range=nonsense)).status == 200
        head = await download(server, alice, name, method="HEAD")
        assert (head.body, head.headers["content-length"]) == (b"", str(len(large)))
        etag = head.headers["etag"]
        known = await download(server, alice, name, if_none_match=etag)
        assert (known.status, known.body) == (304, b"")
        changed = await download(server, alice, name, range="bytes=0-9", if_range='"x"')
        assert changed.status == 200


async def test_what_is_too_large_is_refused(tmp_path: Path) -> None:
    async with with_media(tmp_path, max_upload_size=1000) as server:
        alice = await server.register("alice")
        target = "/_matrix/media/v3/upload"
        (await call(server, alice, "POST", target, b"", length=1001)).refused(413, "M_TOO_LARGE")
        (await call(server, alice, "POST", target, b"x" * 1001, length=None)).refused(413, "M_TOO_LARGE")
        (await call(server, alice, "POST", target, b"x" * 1000)).ok()
        for path in ("/_matrix/client/v1/media/config", "/_matrix/media/v3/config"):
            assert (await call(server, alice, "GET", path)).ok() == {"m.upload.size": 1000}
        # Nothing is left of the others.
        assert len(files(tmp_path)) == 1


async def test_a_name_first_and_the_content_later(tmp_path: Path) -> None:
    async with with_media(tmp_path, max_pending_media_uploads=2) as server:
        alice, bob = await server.register("alice"), await server.register("bob")
        created = (await call(server, alice, "POST", "/_matrix/media/v1/create")).ok()
        name = media_id(created["content_uri"])
        early = await download(server, bob, name, "?timeout_ms=1")
        early.refused(504, "M_NOT_YET_UPLOADED")
        waiting = asyncio.create_task(download(server, bob, name))
        await asyncio.sleep(0)
        target = f"/_matrix/media/v3/upload/ranvier.test/{name}"
        (await call(server, bob, "PUT", target, b"no")).refused(403, "M_FORBIDDEN")
        assert (await call(server, alice, "PUT", target, b"yes", content_type="text/plain")).ok() == {}
        assert (await waiting).body == b"yes"
        (await call(server, alice, "PUT", target, b"no")).refused(409, "M_CANNOT_OVERWRITE_MEDIA")
        elsewhere = "/_matrix/media/v3/upload/other.test/abc"
        (await call(server, alice, "PUT", elsewhere, b"no")).refused(404, "M_NOT_FOUND")
        for status in (200, 200, 429):
            assert (await call(server, alice, "POST", "/_matrix/media/v1/create")).status == status


async def test_two_at_once_for_one_name(tmp_path: Path) -> None:
    async with with_media(tmp_path) as server:
        alice = await server.register("alice")
        name = media_id((await call(server, alice, "POST", "/_matrix/media/v1/create")).ok()["content_uri"])
        target = f"/_matrix/media/v3/upload/ranvier.test/{name}"
        answers = await asyncio.gather(
            *(call(server, alice, "PUT", target, text, content_type="text/plain") for text in (b"one", b"two"))
        )
        assert sorted(answer.status for answer in answers) == [200, 409]
        kept = (await download(server, alice, name)).body
        assert kept == (b"one" if answers[0].status == 200 else b"two")


async def test_a_name_that_was_never_used_expires(tmp_path: Path) -> None:
    clock = OwnClock(1_000_000_000_000)
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}
    options = {"media_store_path": str(tmp_path / "media"), "unused_expiration_time": "1h"}
    async with running(database, clock, **options) as server:
        alice = await server.register("alice")
        created = (await call(server, alice, "POST", "/_matrix/media/v1/create")).ok()
        assert created["unused_expires_at"] == clock.now_ms() + 3_600_000
        clock.now += 3_601_000
        name = media_id(created["content_uri"])
        answer = await call(server, alice, "PUT", f"/_matrix/media/v3/upload/ranvier.test/{name}", b"late")
        answer.refused(404, "M_NOT_FOUND")
        (await download(server, alice, name)).refused(404, "M_NOT_FOUND")


async def test_media_upload_limits(tmp_path: Path) -> None:
    limits = [{"time_period": "1h", "max_size": 100}, {"time_period": "1w", "max_size": 1000}]
    async with with_media(tmp_path, media_upload_limits=limits) as server:
        alice, bob = await server.register("alice"), await server.register("bob")
        await upload(server, alice, b"x" * 60)
        answer = await call(server, alice, "POST", "/_matrix/media/v3/upload", b"x" * 60)
        answer.refused(403, "M_FORBIDDEN")
        answer = await call(server, alice, "POST", "/_matrix/media/v3/upload", b"x" * 60, length=None)
        answer.refused(403, "M_FORBIDDEN")
        await upload(server, bob, b"x" * 60)
        await upload(server, alice, b"x" * 40)
        assert len(files(tmp_path)) == 3


async def test_rc_media_create(tmp_path: Path) -> None:
    async with with_media(tmp_path, rc_media_create={"per_second": 0.001, "burst_count": 1}) as server:
        alice = await server.register("alice")
        (await call(server, alice, "POST", "/_matrix/media/v1/create")).ok()
        (await call(server, alice, "POST", "/_matrix/media/v1/create")).refused(429, "M_LIMIT_EXCEEDED")


async def test_the_endpoints_without_authentication_show_what_is_from_before(tmp_path: Path) -> None:
    async with with_media(tmp_path, enable_authenticated_media=False) as server:
        old = await upload(server, await server.register("alice"), PNG)
        assert (await legacy(server, old)).body == PNG
        assert (await legacy(server, old)).headers["cache-control"].startswith("public")
    async with with_media(tmp_path) as server:
        bob = await server.register("bob")
        new = await upload(server, bob, PNG)
        (await legacy(server, new)).refused(404, "M_NOT_FOUND")
        assert (await legacy(server, old)).body == PNG
        assert (await download(server, bob, old)).body == PNG


async def test_enable_media_repo(tmp_path: Path) -> None:
    async with with_media(tmp_path, enable_media_repo=False) as server:
        alice = await server.register("alice")
        (await call(server, alice, "POST", "/_matrix/media/v3/upload", b"x")).refused(404, "M_UNRECOGNIZED")
        (await call(server, alice, "GET", "/_matrix/client/v1/media/config")).refused(404, "M_UNRECOGNIZED")


async def test_names_that_are_none(tmp_path: Path) -> None:
    async with with_media(tmp_path) as server:
        alice = await server.register("alice")
        for name in ("../x", "..%2f..%2fx/y", "other.test/..%2fx", "a..b/x", "ranvier.test/a.b"):
            assert (await download(server, alice, name)).status == 404, name


async def test_what_nobody_should_read_as_a_type(tmp_path: Path) -> None:
    async with with_media(tmp_path) as server:
        alice = await server.register("alice")
        for content_type in ("", "a\x7fb", "x" * 300):
            answer = await call(server, alice, "POST", "/_matrix/media/v3/upload", b"x", content_type=content_type)
            shown = await download(server, alice, media_id(answer.ok()["content_uri"]))
            assert shown.headers["content-type"] == "application/octet-stream"
            assert shown.headers["content-disposition"] == "attachment"
        long = await call(server, alice, "POST", f"/_matrix/media/v3/upload?filename={'x' * 1025}", b"x")
        long.refused(400, "M_INVALID_PARAM")


async def test_guests_and_the_suspended(tmp_path: Path) -> None:
    async with with_media(tmp_path) as server:
        alice, guest = await server.register("alice"), await server.register("", is_guest=True)
        name = await upload(server, alice, PNG)
        assert (await download(server, guest, name)).body == PNG
        answer = await call(server, guest, "POST", "/_matrix/media/v3/upload", b"x")
        answer.refused(403, "M_GUEST_ACCESS_FORBIDDEN")
        await server.server.users.account_changes.set_flag(alice.user_id, "suspended", value=True)
        for target in ("/_matrix/media/v3/upload", "/_matrix/media/v1/create"):
            (await call(server, alice, "POST", target, b"x")).refused(403, "M_USER_SUSPENDED")


async def test_a_store_that_is_moved_here(tmp_path: Path) -> None:
    """What a crash left goes; files that nobody knows are served to nobody."""
    (tmp_path / "media" / "incoming").mkdir(parents=True)
    (tmp_path / "media" / "incoming" / "half").write_bytes(b"half")
    (tmp_path / "media" / "local_content" / "ab" / "cd").mkdir(parents=True)
    (tmp_path / "media" / "local_content" / "ab" / "cd" / "efgh").write_bytes(PNG)
    async with with_media(tmp_path) as server:
        alice = await server.register("alice")
        assert (await download(server, alice, "abcdefgh")).status == 404
        assert list(files(tmp_path)) == ["local_content/ab/cd/efgh"]


@pytest.mark.parametrize("is_synchronous", [True, False])
async def test_media_storage_providers(tmp_path: Path, *, is_synchronous: bool) -> None:
    provider = {
        "module": "file_system",
        "store_local": True,
        "store_remote": False,
        "store_synchronous": is_synchronous,
        "config": {"directory": str(tmp_path / "copies")},
    }
    async with with_media(tmp_path, media_storage_providers=[provider]) as server:
        alice = await server.register("alice")
        name = await upload(server, alice, PNG)
        media = server.server.media
        assert media is not None
        await media.files.close()
        place = Path("local_content", name[:2], name[2:4], name[4:])
        assert (tmp_path / "copies" / place).read_bytes() == PNG
        (tmp_path / "media" / place).unlink()
        assert (await download(server, alice, name)).body == PNG


async def test_enable_local_media_storage(tmp_path: Path) -> None:
    provider = {
        "module": "file_system",
        "store_local": True,
        "store_remote": True,
        "store_synchronous": True,
        "config": {"directory": str(tmp_path / "copies")},
    }
    options = {"enable_local_media_storage": False, "media_storage_providers": [provider]}
    async with with_media(tmp_path, **options) as server:
        alice = await server.register("alice")
        name = await upload(server, alice, PNG)
        assert (await download(server, alice, name)).body == PNG
        assert files(tmp_path) == {}
    with pytest.raises(ConfigError, match="can be false only where"):
        parse({"server_name": "test", "enable_local_media_storage": False})


@pytest.mark.parametrize(
    ("provider", "problem"),
    [({"module": "s3.S3"}, "only file_system is known"), ({"module": "file_system"}, r"needs config\.directory")],
)
def test_providers_that_cannot_be(provider: dict[str, object], problem: str) -> None:
    stores = {"store_local": True, "store_remote": True, "store_synchronous": True}
    with pytest.raises(ConfigError, match=problem):
        parse({"server_name": "test", "media_storage_providers": [{**stores, **provider}]})


async def test_an_upload_whose_sender_goes_away_leaves_nothing(tmp_path: Path) -> None:
    async with with_media(tmp_path) as server:
        media = server.server.media
        assert media is not None

        async def broken() -> AsyncIterator[bytes]:
            yield b"x" * 300_000
            raise ConnectionError

        with pytest.raises(ConnectionError):
            await media.files.receive(broken())
        assert files(tmp_path) == {}
