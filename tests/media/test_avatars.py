"""`max_avatar_size`, `allowed_avatar_mimetypes`: in profiles, and in single rooms."""

from pathlib import Path

import pytest

from ranvier.config.load import ConfigError, parse
from tests.api.asgi import Answer, Client, part
from tests.media.others import Wires, connected, two_parts
from tests.media.store import upload, with_media


async def set_avatar(client: Client, uri: str) -> Answer:
    return await client.put(f"/profile/{part(client.user_id)}/avatar_url", {"avatar_url": uri})


async def test_size_and_type(tmp_path: Path) -> None:
    options = {"max_avatar_size": 100, "allowed_avatar_mimetypes": ["image/png", "image/JPEG"]}
    async with with_media(tmp_path, **options) as server:
        alice = await server.register("alice")
        good = f"mxc://ranvier.test/{await upload(server, alice, b'x' * 100, 'image/jpeg; a=b')}"
        large = f"mxc://ranvier.test/{await upload(server, alice, b'x' * 101)}"
        other = f"mxc://ranvier.test/{await upload(server, alice, b'x', 'image/gif')}"
        room_id = await alice.create_room()
        for uri in (large, other, "mxc://ranvier.test/none", "mxc://ranvier.test/", "mxc://away.test/x"):
            (await set_avatar(alice, uri)).refused(403, "M_FORBIDDEN")
            member = {"membership": "join", "avatar_url": uri}
            (await alice.set_state(room_id, "m.room.member", member, alice.user_id)).refused(403, "M_FORBIDDEN")
        (await set_avatar(alice, good)).ok()
        (await set_avatar(alice, "")).ok()
        member = {"membership": "join", "avatar_url": good}
        (await alice.set_state(room_id, "m.room.member", member, alice.user_id)).ok()


async def test_media_of_other_servers_are_looked_at(tmp_path: Path) -> None:
    wires = Wires()
    wires.answers["there.test"] = lambda target: two_parts(
        b"x" * (101 if "large" in target else 99), "Content-Type: image/png"
    )
    async with connected(tmp_path, wires, "ranvier.test", options={"max_avatar_size": 100}) as (server,):
        alice = await server.register("alice")
        (await set_avatar(alice, "mxc://there.test/small")).ok()
        (await set_avatar(alice, "mxc://there.test/large")).refused(403, "M_FORBIDDEN")


async def test_without_limits_nothing_is_looked_at(tmp_path: Path) -> None:
    async with with_media(tmp_path) as server:
        (await set_avatar(await server.register("alice"), "mxc://away.test/x")).ok()


def test_limits_need_the_media() -> None:
    with pytest.raises(ConfigError, match="max_avatar_size: needs enable_media_repo"):
        parse({"server_name": "test", "enable_media_repo": False, "max_avatar_size": "1M"})
