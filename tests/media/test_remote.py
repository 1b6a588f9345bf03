"""Media of other servers, and ours for them."""

import asyncio
from pathlib import Path

import pytest

from ranvier.ports import FederationAnswer
from tests.media.others import Wires, connected, refusal, two_parts
from tests.media.store import PNG, call, download, upload


async def test_a_medium_of_another_server_is_fetched_once(tmp_path: Path) -> None:
    wires = Wires()
    large = bytes(range(256)) * 3000
    async with connected(tmp_path, wires, "here.test", "there.test") as (here, there):
        alice, bob = await here.register("alice"), await there.register("bob")
        answer = await call(
            there, bob, "POST", "/_matrix/media/v3/upload?filename=%C3%A4.png", large, content_type="image/png"
        )
        name = answer.ok()["content_uri"].removeprefix("mxc://")
        answers = await asyncio.gather(*(download(here, alice, name) for _ in range(3)))
        for fetched in answers:
            assert (fetched.status, fetched.body == large) == (200, True)
            assert fetched.headers["content-type"] == "image/png"
            assert fetched.headers["content-disposition"] == "inline; filename*=utf-8''%C3%A4.png"
        assert wires.media_asked() == [f"/_matrix/federation/v1/media/download/{name.partition('/')[2]}"]
        (kept,) = [path for path in (tmp_path / "here.test" / "media").rglob("*") if path.is_file()]
        assert str(kept.relative_to(tmp_path / "here.test" / "media")).startswith("remote_content/there.test/")
        # A file that is gone is fetched again.
        kept.unlink()
        assert (await download(here, alice, name)).body == large
        # Nobody without an account has things fetched.
        target = f"/_matrix/media/v3/download/{name}"
        (await call(here, None, "GET", target)).refused(404, "M_NOT_FOUND")


async def test_only_who_signs_is_served(tmp_path: Path) -> None:
    async with connected(tmp_path, Wires(), "ranvier.test") as (server,):
        name = await upload(server, await server.register("alice"), PNG)
        target = f"/_matrix/federation/v1/media/download/{name}"
        (await call(server, None, "GET", target)).refused(401, "M_UNAUTHORIZED")


async def test_a_server_of_old(tmp_path: Path) -> None:
    wires = Wires()

    def answer(target: str) -> FederationAnswer:
        if target.startswith("/_matrix/federation/"):
            return refusal(404, "M_UNRECOGNIZED")
        assert "allow_remote=false" in target
        return FederationAnswer(
            200, {"content-type": "image/png", "content-disposition": 'inline; filename="a b.png"'}, PNG
        )

    wires.answers["old.test"] = answer
    async with connected(tmp_path, wires, "here.test") as (here,):
        got = await download(here, await here.register("alice"), "old.test/abc")
        assert (got.status, got.body) == (200, PNG)
        assert got.headers["content-disposition"] == 'inline; filename="a b.png"'


@pytest.mark.parametrize(
    ("answer", "status", "errcode"),
    [
        (refusal(404, "M_NOT_FOUND"), 404, "M_NOT_FOUND"),
        (refusal(504, "M_NOT_YET_UPLOADED"), 504, "M_NOT_YET_UPLOADED"),
        (refusal(502, "M_TOO_LARGE"), 502, "M_TOO_LARGE"),
        (refusal(429, "M_LIMIT_EXCEEDED"), 429, "M_LIMIT_EXCEEDED"),
        (refusal(500, "M_UNKNOWN"), 502, "M_UNKNOWN"),
        (FederationAnswer(200, {}, b"no parts"), 502, "M_UNKNOWN"),
        (FederationAnswer(200, {"content-type": "multipart/mixed; boundary=b"}, b"--b\r\n\r\n{}"), 502, "M_UNKNOWN"),
        (two_parts(PNG, "Content-Type: image/png", end=""), 502, "M_UNKNOWN"),
        (two_parts(b"x" * 2000, "Content-Type: image/png"), 502, "M_TOO_LARGE"),
        (two_parts(b"", "Location: https://cdn.test/x"), 502, "M_UNKNOWN"),
    ],
)
async def test_what_another_server_says(tmp_path: Path, answer: FederationAnswer, status: int, errcode: str) -> None:
    wires = Wires()
    wires.answers["there.test"] = lambda target: answer
    async with connected(tmp_path, wires, "here.test", options={"max_upload_size": 1000}) as (here,):
        alice = await here.register("alice")
        (await download(here, alice, "there.test/abc")).refused(status, errcode)
        assert [path for path in (tmp_path / "here.test").rglob("*") if path.is_file()] == []


async def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    async with connected(tmp_path, Wires(), "here.test") as (here,):
        (await download(here, await here.register("alice"), "gone.test/abc")).refused(502, "M_UNKNOWN")


async def test_prevent_media_downloads_from(tmp_path: Path) -> None:
    wires = Wires()
    wires.answers["there.test"] = lambda target: two_parts(PNG)
    options = {"prevent_media_downloads_from": ["there.test"]}
    async with connected(tmp_path, wires, "here.test", options=options) as (here,):
        (await download(here, await here.register("alice"), "there.test/abc")).refused(404, "M_NOT_FOUND")
        assert wires.asked == []


async def test_an_address_fetches_so_much_and_no_more(tmp_path: Path) -> None:
    wires = Wires()
    wires.answers["there.test"] = lambda target: two_parts(b"x" * 600)
    options = {"remote_media_download_per_second": 1, "remote_media_download_burst_count": 1000}
    async with connected(tmp_path, wires, "here.test", options=options) as (here,):
        alice = await here.register("alice")
        assert (await download(here, alice, "there.test/a")).status == 200
        (await download(here, alice, "there.test/b")).refused(429, "M_LIMIT_EXCEEDED")
        # What is here costs nothing.
        assert (await download(here, alice, "there.test/a")).status == 200


async def test_copies_from_before_the_freeze(tmp_path: Path) -> None:
    wires = Wires()
    wires.answers["there.test"] = lambda target: two_parts(PNG, "Content-Type: image/png")
    target = "/_matrix/media/v3/download/there.test/abc"
    async with connected(tmp_path, wires, "here.test", options={"enable_authenticated_media": False}) as (here,):
        (await call(here, None, "GET", f"{target}?allow_remote=false")).refused(404, "M_NOT_FOUND")
        assert (await call(here, None, "GET", target)).body == PNG
    async with connected(tmp_path, wires, "here.test") as (here,):
        assert (await call(here, None, "GET", target)).body == PNG
