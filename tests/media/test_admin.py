"""The admin API for media, and what removes old ones."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.admin.admin import Admin, user
from tests.api.asgi import part
from tests.api.homeserver import Homeserver
from tests.api.own_clock import OwnClock, running_at
from tests.media.others import Wires, connected, two_parts
from tests.media.store import PNG, call, download, files, legacy, upload, with_media

NOW = 1_800_000_000_000
DAY = 86_400_000


@pytest.fixture
async def admin(homeserver_on_each: Homeserver) -> Admin:
    return await Admin.of(homeserver_on_each)


async def test_quarantine(admin: Admin) -> None:
    server = admin.server
    alice = await server.register("alice")
    name = await upload(server, alice, PNG)
    assert await admin.post(f"/v1/media/quarantine/ranvier.test/{name}") == {}
    (await download(server, alice, name)).refused(404, "M_NOT_FOUND")
    bypass = "?admin_unsafely_bypass_quarantine=true"
    (await download(server, alice, name, bypass)).refused(404, "M_NOT_FOUND")
    assert (await download(server, admin.client, name, bypass)).body == PNG
    info = (await admin.get(f"/v1/media/ranvier.test/{name}"))["media_info"]
    assert info["quarantined_by"] == admin.client.user_id
    assert (info["media_length"], info["media_type"], info["user_id"]) == (len(PNG), "image/png", alice.user_id)
    assert await admin.post(f"/v1/media/unquarantine/ranvier.test/{name}") == {}
    assert (await download(server, alice, name)).body == PNG
    changes = await admin.get("/v1/media/quarantine_changes")
    assert [(change["media_id"], change["quarantined"]) for change in changes["changes"]] == [
        (name, True),
        (name, False),
    ]
    later = await admin.get(f"/v1/media/quarantine_changes?from={changes['next_batch']}")
    assert later == {"next_batch": changes["next_batch"], "changes": []}


async def test_protection(admin: Admin) -> None:
    server = admin.server
    alice = await server.register("alice")
    kept, other = await upload(server, alice, PNG), await upload(server, alice, PNG)
    await admin.post(f"/v1/media/protect/{kept}")
    quarantine = f"/v1/user/{part(alice.user_id)}/media/quarantine"
    assert await admin.post(quarantine) == {"num_quarantined": 1}
    assert (await download(server, alice, kept)).status == 200
    assert (await download(server, alice, other)).status == 404
    await admin.post(f"/v1/media/unprotect/{kept}")
    assert await admin.post(quarantine) == {"num_quarantined": 1}
    for path in ("/v1/media/protect/unknown", "/v1/media/quarantine/ranvier.test/unknown"):
        (await admin.ask("POST", path)).refused(404, "M_NOT_FOUND")


async def test_media_of_a_room(admin: Admin) -> None:
    server = admin.server
    alice = await server.register("alice")
    names = [await upload(server, alice, PNG) for _ in range(3)]
    uris = [f"mxc://ranvier.test/{name}" for name in names]
    room_id = await alice.create_room()
    content = {"msgtype": "m.image", "body": "x", "url": uris[0], "info": {"thumbnail_url": uris[1]}}
    (await alice.send(room_id, "m.room.message", content)).ok()
    (await alice.send(room_id, "m.room.message", {**content, "info": "mxc://a.test/none"})).ok()
    (await alice.send(room_id, "m.room.message", {"url": "mxc://there.test/abc", "info": {}})).ok()
    path = f"/v1/room/{part(room_id)}/media"
    assert await admin.get(path) == {"local": uris[:2], "remote": ["mxc://there.test/abc"]}
    assert await admin.post(f"{path}/quarantine") == {"num_quarantined": 3}
    assert await admin.post(f"/v1/quarantine_media/{part(room_id)}") == {"num_quarantined": 0}
    assert [(await download(server, alice, name)).status for name in names] == [404, 404, 200]
    (await admin.ask("GET", f"/v1/room/{part('!none:ranvier.test')}/media")).refused(404, "M_NOT_FOUND")


async def test_media_of_users(admin: Admin) -> None:
    server = admin.server
    alice, bob = await server.register("alice"), await server.register("bob")
    (await bob.put(f"/profile/{part(bob.user_id)}/displayname", {"displayname": "Robert"})).ok()
    large, small = (
        await upload(server, alice, b"x" * 100, query="?filename=b"),
        await upload(server, alice, b"x" * 10, query="?filename=a"),
    )
    await upload(server, bob, b"x" * 5)
    path = user("alice") + "/media"
    listed = await admin.get(path + "?order_by=media_length")
    assert [medium["media_id"] for medium in listed["media"]] == [small, large]
    assert (listed["total"], "next_token" in listed) == (2, False)
    page = await admin.get(path + "?order_by=upload_name&dir=b&limit=1")
    assert ([medium["upload_name"] for medium in page["media"]], page["next_token"]) == (["b"], 1)
    use = await admin.get("/v1/statistics/users/media?order_by=media_length&dir=b")
    assert use == {
        "users": [
            {"user_id": alice.user_id, "displayname": "alice", "media_count": 2, "media_length": 110},
            {"user_id": bob.user_id, "displayname": "Robert", "media_count": 1, "media_length": 5},
        ],
        "total": 2,
    }
    for query in ("search_term=roBERT", "order_by=displayname&limit=1", "order_by=media_count&limit=1"):
        found = await admin.get(f"/v1/statistics/users/media?{query}")
        assert [who["user_id"] for who in found["users"]] == [bob.user_id]
    assert (await admin.get("/v1/statistics/users/media?until_ts=5"))["total"] == 0
    gone = await admin.delete(path + "?order_by=media_length&limit=1")
    assert gone == {"deleted_media": [small], "total": 1}
    assert (await admin.get(path))["total"] == 1


async def test_deleting(admin: Admin, tmp_path: Path) -> None:
    server = admin.server
    alice = await server.register("alice")
    name = await upload(server, alice, PNG)
    assert await admin.delete(f"/v1/media/ranvier.test/{name}") == {"deleted_media": [name], "total": 1}
    assert files(tmp_path) == {}
    (await download(server, alice, name)).refused(404, "M_NOT_FOUND")
    (await admin.ask("DELETE", f"/v1/media/ranvier.test/{name}")).refused(404, "M_NOT_FOUND")
    (await admin.ask("DELETE", f"/v1/media/there.test/{name}")).refused(400, "M_INVALID_PARAM")


@pytest.fixture
async def later(tmp_path: Path) -> AsyncIterator[tuple[OwnClock, Homeserver]]:
    """A server with a small picture, a large file and an avatar, two days later."""
    clock = OwnClock(NOW)
    retention = {"local_media_lifetime": "1d", "remote_media_lifetime": "1d"}
    async with running_at(
        clock, tmp_path, media_store_path=str(tmp_path / "media"), media_retention=retention
    ) as server:
        alice = await server.register("alice")
        for number, size in enumerate((1, 100, 10)):
            name = await upload(server, alice, b"x" * size)
            if number == 2:
                uri = f"mxc://ranvier.test/{name}"
                (await alice.put(f"/profile/{part(alice.user_id)}/avatar_url", {"avatar_url": uri})).ok()
        clock.now += 2 * DAY
        yield clock, server


async def test_deleting_what_is_old(later: tuple[OwnClock, Homeserver], tmp_path: Path) -> None:
    clock, server = later
    admin = await Admin.of(server)
    for path in ("/v1/media/delete", "/v1/media/ranvier.test/delete"):
        (await admin.ask("POST", path)).refused(400, "M_MISSING_PARAM")
    (await admin.ask("POST", f"/v1/media/there.test/delete?before_ts={NOW}")).refused(400, "M_INVALID_PARAM")
    (await admin.ask("POST", "/v1/media/delete?before_ts=1800000000")).refused(400, "M_INVALID_PARAM")
    assert (await admin.post(f"/v1/media/delete?before_ts={NOW}"))["total"] == 0
    assert (await admin.post(f"/v1/media/delete?before_ts={clock.now}&size_gt=50"))["total"] == 1
    assert (await admin.post(f"/v1/media/ranvier.test/delete?before_ts={clock.now}"))["total"] == 1
    assert len(files(tmp_path)) == 1
    assert (await admin.post(f"/v1/media/delete?before_ts={clock.now}&keep_profiles=false"))["total"] == 1
    assert files(tmp_path) == {}


async def test_media_retention(later: tuple[OwnClock, Homeserver], tmp_path: Path) -> None:
    _, server = later
    admin = await Admin.of(server)
    listed = (await admin.get(user("alice") + "/media?order_by=media_length"))["media"]
    # Looked at lately, though nobody has written that down yet.
    assert (await download(server, admin.client, listed[0]["media_id"])).status == 200
    media = server.server.media
    assert media is not None
    await media.retention.look()
    left = (await admin.get(user("alice") + "/media?order_by=media_length"))["media"]
    assert [medium["media_length"] for medium in left] == [1, 10]
    assert len(files(tmp_path)) == 2


async def test_what_is_marked_outlives_its_time(later: tuple[OwnClock, Homeserver]) -> None:
    _, server = later
    admin = await Admin.of(server)
    small, _, large = (await admin.get(user("alice") + "/media?order_by=media_length"))["media"]
    await admin.post(f"/v1/media/protect/{small['media_id']}")
    await admin.post(f"/v1/media/quarantine/ranvier.test/{large['media_id']}")
    media = server.server.media
    assert media is not None
    await media.retention.look()
    assert (await admin.get(user("alice") + "/media"))["total"] == 3


async def test_copies_of_others_are_purged(tmp_path: Path) -> None:
    wires = Wires()
    wires.answers["there.test"] = lambda target: two_parts(PNG, "Content-Type: image/png")
    async with connected(tmp_path, wires, "ranvier.test") as (server,):
        admin = await Admin.of(server)
        for name in ("there.test/a", "there.test/b"):
            assert (await download(server, admin.client, name)).body == PNG
        await admin.post("/v1/media/quarantine/there.test/a")
        assert await admin.post(f"/v1/purge_media_cache?before_ts={1 << 50}") == {"deleted": 1}
        (await download(server, admin.client, "there.test/a")).refused(404, "M_NOT_FOUND")
        assert (await download(server, admin.client, "there.test/b")).body == PNG
        # What was never here can be kept away, and fetched once it may be.
        await admin.post("/v1/media/quarantine/there.test/c")
        (await download(server, admin.client, "there.test/c")).refused(404, "M_NOT_FOUND")
        await admin.post("/v1/media/unquarantine/there.test/c")
        assert (await download(server, admin.client, "there.test/c")).body == PNG


async def test_names_that_were_never_used_are_forgotten(later: tuple[OwnClock, Homeserver]) -> None:
    clock, server = later
    alice = await server.register("anna")
    (await call(server, alice, "POST", "/_matrix/media/v1/create")).ok()
    media = server.server.media
    assert media is not None
    before = await server.db.value("SELECT COUNT(*) FROM media WHERE size_bytes IS NULL")
    clock.now += 2 * DAY
    await media.retention.look()
    assert (before, await server.db.value("SELECT COUNT(*) FROM media WHERE size_bytes IS NULL")) == (1, 0)


def shown(info: Mapping[str, Any]) -> Any:
    return info["media_info"]["authenticated"]


async def test_what_is_from_before_the_freeze_says_so(tmp_path: Path) -> None:
    async with with_media(tmp_path, enable_authenticated_media=False) as server:
        admin = await Admin.of(server)
        name = await upload(server, admin.client, PNG)
        assert (await legacy(server, name)).body == PNG
        assert shown(await admin.get(f"/v1/media/ranvier.test/{name}")) is False
