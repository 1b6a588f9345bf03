"""`/room_keys`. Spec: client-server API, "Server-side key backups"."""

import asyncio
from typing import Any

import pytest

from tests.api.asgi import Answer, part
from tests.e2ee.person import Person

ALGORITHM = "m.megolm_backup.v1.curve25519-aes-sha2"
ROOM, OTHER = "!room:ranvier.test", "!other:ranvier.test"


def auth_data(name: str = "key") -> dict[str, Any]:
    return {"public_key": name, "signatures": {}}


def session(index: int = 1, *, forwarded: int = 0, verified: bool = False, data: str = "x") -> dict[str, Any]:
    return {
        "first_message_index": index,
        "forwarded_count": forwarded,
        "is_verified": verified,
        "session_data": {"ciphertext": data},
    }


class Backup:
    """One version of a person's backup."""

    def __init__(self, person: Person, version: str) -> None:
        self.person = person
        self.version = version

    async def request(self, method: str, *path: str, body: object = None, version: str | None = None) -> Answer:
        at = "/_matrix/client/v3/room_keys/keys" + "".join(f"/{part(segment)}" for segment in path)
        query = {"version": version or self.version}
        return await self.person.client.request(method, at, body, query=query)

    async def put(self, room_id: str, session_id: str, key: object) -> Any:
        return (await self.request("PUT", room_id, session_id, body=key)).ok()

    async def get(self, *path: str) -> Any:
        return (await self.request("GET", *path)).ok()


async def create(person: Person, name: str = "key") -> Backup:
    body = {"algorithm": ALGORITHM, "auth_data": auth_data(name)}
    return Backup(person, (await person.client.post("/room_keys/version", body)).ok()["version"])


async def test_versions(alice: Person, bob: Person) -> None:
    (await alice.client.get("/room_keys/version")).refused(404, "M_NOT_FOUND")
    first = await create(alice, "one")
    second = await create(alice, "two")
    assert first.version != second.version
    described = {"algorithm": ALGORITHM, "count": 0, "etag": "0"}
    newest = (await alice.client.get("/room_keys/version")).ok()
    assert newest == {**described, "auth_data": auth_data("two"), "version": second.version}
    older = (await alice.client.get(f"/room_keys/version/{first.version}")).ok()
    assert older == {**described, "auth_data": auth_data("one"), "version": first.version}
    (await bob.client.get(f"/room_keys/version/{first.version}")).refused(404, "M_NOT_FOUND")


async def test_versions_created_at_once(alice: Person) -> None:
    versions = [backup.version for backup in await asyncio.gather(create(alice), create(alice))]
    assert len(set(versions)) == 2


@pytest.mark.parametrize("version", ["9", "x", "0", "-1", "1" * 30, "%00", "\u0661"])
async def test_versions_that_never_were(alice: Person, version: str) -> None:
    await create(alice)
    path = f"/room_keys/version/{part(version) if version != '%00' else version}"
    body = {"algorithm": ALGORITHM, "auth_data": {}}
    for method, content in (("GET", None), ("PUT", body), ("DELETE", None)):
        answer = await alice.client.request(method, "/_matrix/client/v3" + path, content)
        answer.refused(404, "M_NOT_FOUND")
    backup = Backup(alice, "9" if version == "%00" else version)
    for path_of_keys in ((), (ROOM,), (ROOM, "s")):
        for method in ("GET", "DELETE"):
            (await backup.request(method, *path_of_keys)).refused(404, "M_NOT_FOUND")
    (await backup.request("PUT", body={"rooms": {}})).refused(404, "M_NOT_FOUND")


async def test_deleting_a_version(alice: Person) -> None:
    first, second = await create(alice), await create(alice)
    await second.put(ROOM, "s", session())
    for _ in range(2):
        (await alice.client.request("DELETE", f"/_matrix/client/v3/room_keys/version/{second.version}")).ok()
    (await second.request("GET")).refused(404, "M_NOT_FOUND")
    assert (await alice.client.get("/room_keys/version")).ok()["version"] == first.version
    await first.put(ROOM, "s", session())
    third = await create(alice)
    assert third.version not in (first.version, second.version)


async def test_changing_how_a_version_is_encrypted(alice: Person) -> None:
    backup = await create(alice)
    path = f"/room_keys/version/{backup.version}"
    body = {"algorithm": ALGORITHM, "auth_data": auth_data("changed")}
    (await alice.client.put(path, body)).ok()
    (await alice.client.put(path, {**body, "version": backup.version})).ok()
    assert (await alice.client.get(path)).ok()["auth_data"] == auth_data("changed")
    (await alice.client.put(path, {**body, "version": "other"})).refused(400, "M_INVALID_PARAM")
    (await alice.client.put(path, {**body, "algorithm": "other"})).refused(400, "M_INVALID_PARAM")
    (await alice.client.put(path, {"algorithm": ALGORITHM})).refused(400, "M_BAD_JSON")


async def test_keys_come_back_as_they_were_stored(alice: Person, bob: Person) -> None:
    backup = await create(alice)
    assert await backup.get() == {"rooms": {}}
    assert await backup.get(ROOM) == {"sessions": {}}
    assert await backup.put(ROOM, "a/b", session(data="a")) == {"etag": "1", "count": 1}
    body: object = {"sessions": {"b": session(data="b"), "c": session(data="c")}}
    assert (await backup.request("PUT", ROOM, body=body)).ok() == {"etag": "2", "count": 3}
    body = {"rooms": {OTHER: {"sessions": {"a/b": session(data="other")}}, ROOM: {"sessions": {}}}}
    assert (await backup.request("PUT", body=body)).ok() == {"etag": "3", "count": 4}
    stored = {"a/b": session(data="a"), "b": session(data="b"), "c": session(data="c")}
    other = {"a/b": session(data="other")}
    assert await backup.get() == {"rooms": {ROOM: {"sessions": stored}, OTHER: {"sessions": other}}}
    assert await backup.get(ROOM) == {"sessions": stored}
    assert await backup.get(ROOM, "a/b") == session(data="a")
    (await backup.request("GET", ROOM, "none")).refused(404, "M_NOT_FOUND")
    (await backup.request("GET", OTHER, "b")).refused(404, "M_NOT_FOUND")
    described = (await alice.client.get("/room_keys/version")).ok()
    assert (described["count"], described["etag"]) == (4, "3")
    (await Backup(bob, backup.version).request("GET")).refused(404, "M_NOT_FOUND")


@pytest.mark.parametrize(
    ("stored", "better"),
    [
        (session(1, forwarded=1), session(1, forwarded=0)),
        (session(2, forwarded=0), session(1, forwarded=5)),
        (session(1, forwarded=0), session(9, forwarded=9, verified=True)),
        (session(3, forwarded=0, verified=True), session(2, forwarded=4, verified=True)),
    ],
)
async def test_the_better_key_is_kept(alice: Person, stored: dict[str, Any], better: dict[str, Any]) -> None:
    backup = await create(alice)
    assert await backup.put(ROOM, "s", stored) == {"etag": "1", "count": 1}
    assert await backup.put(ROOM, "s", stored) == {"etag": "1", "count": 1}
    assert await backup.put(ROOM, "s", better) == {"etag": "2", "count": 1}
    assert await backup.put(ROOM, "s", stored) == {"etag": "2", "count": 1}
    assert await backup.get(ROOM, "s") == better


async def test_deleting_keys(alice: Person) -> None:
    backup = await create(alice)
    rooms = {ROOM: {"sessions": {"a": session(), "b": session()}}, OTHER: {"sessions": {"a": session()}}}
    (await backup.request("PUT", body={"rooms": rooms})).ok()
    assert (await backup.request("DELETE", ROOM, "a")).ok() == {"etag": "2", "count": 2}
    assert (await backup.request("DELETE", ROOM, "a")).ok() == {"etag": "2", "count": 2}
    assert (await backup.get(OTHER))["sessions"].keys() == {"a"}
    assert (await backup.request("DELETE", ROOM)).ok() == {"etag": "3", "count": 1}
    assert (await backup.request("DELETE")).ok() == {"etag": "4", "count": 0}
    assert await backup.get() == {"rooms": {}}


async def test_keys_go_into_the_current_version_only(alice: Person) -> None:
    first, second = await create(alice), await create(alice)
    for path, body in (
        ((), {"rooms": {ROOM: {"sessions": {"s": session()}}}}),
        ((ROOM,), {"sessions": {"s": session()}}),
        ((ROOM, "s"), session()),
    ):
        error = (await first.request("PUT", *path, body=body)).refused(403, "M_WRONG_ROOM_KEYS_VERSION")
        assert error["current_version"] == second.version
    assert await first.get() == {"rooms": {}}


async def test_bad_keys(alice: Person) -> None:
    backup = await create(alice)
    for bad in (
        {},
        {**session(), "is_verified": 1},
        {**session(), "first_message_index": "1"},
        {**session(), "first_message_index": -1},
        {**session(), "forwarded_count": 2**60},
        {**session(), "session_data": "x"},
    ):
        (await backup.request("PUT", ROOM, "s", body=bad)).refused(400, "M_BAD_JSON")
        (await backup.request("PUT", ROOM, body={"sessions": {"s": session(), "bad": bad}})).refused(400, "M_BAD_JSON")
    (await backup.request("PUT", "a\0b", "s", body=session())).refused(400, "M_INVALID_PARAM")
    (await backup.request("GET", "a\0b", "s")).refused(400, "M_INVALID_PARAM")
    (await alice.client.get("/room_keys/keys")).refused(400, "M_MISSING_PARAM")
    (await alice.client.post("/room_keys/version", {"algorithm": 1})).refused(400, "M_BAD_JSON")
    assert await backup.get() == {"rooms": {}}


async def test_counts_of_writers_at_once(alice: Person) -> None:
    backup = await create(alice)
    await asyncio.gather(*(backup.put(ROOM, f"s{number}", session()) for number in range(20)))
    described = (await alice.client.get("/room_keys/version")).ok()
    assert (described["count"], described["etag"]) == (20, "20")
