"""Invitations by e-mail address, redeemed when the address is bound. Spec: server-server API, "Third-party invites"."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from ranvier.federation.third_party_invite import PendingInvite
from ranvier.proto.errors import MatrixError
from ranvier.proto.signing import SigningKey, sign_json
from ranvier.proto.unpadded_base64 import encode_base64
from tests.federation.town import Person, Town, town

ONE, TWO = "one.test", "two.test"
IDENTITY = "identity.test"
KEY = SigningKey("ed25519:0", b"i" * 32)
TOKEN = "pancake"


@pytest.fixture
async def place() -> AsyncIterator[Town]:
    async with town(ONE, TWO) as made:
        yield made


async def two(place: Town) -> tuple[Person, Person, str]:
    """Alice has invited an address; Bob is going to bind it."""
    alice, bob = await place.servers[ONE].register("alice"), await place.servers[TWO].register("bob")
    room_id = await alice.client.create_room(preset="private_chat")
    content = {
        "display_name": "b...@example.org",
        "key_validity_url": f"https://{IDENTITY}/valid",
        "public_key": encode_base64(KEY.public_key),
        "public_keys": [{"public_key": encode_base64(KEY.public_key)}],
    }
    (await alice.client.set_state(room_id, "m.room.third_party_invite", content, TOKEN)).ok()
    return alice, bob, room_id


def signed(user_id: str, *, token: str = TOKEN, key: SigningKey = KEY) -> dict[str, Any]:
    return sign_json({"mxid": user_id, "token": token}, IDENTITY, key)


def proposal(alice: Person, bob: Person, room: str, **changes: Any) -> dict[str, Any]:
    invite = {"display_name": "Mallory", "signed": signed(bob.user_id)}
    return {
        "type": "m.room.member",
        "room_id": room,
        "sender": alice.user_id,
        "state_key": bob.user_id,
        "content": {"membership": "invite", "third_party_invite": invite},
    } | changes


async def exchange(place: Town, room_id: str, body: Any, *, origin: str = TWO) -> Any:
    return await place.servers[ONE].answer(origin, "v1 exchange_third_party_invite", [room_id], [], body)


async def refused(act: Any) -> MatrixError:
    with pytest.raises(MatrixError) as caught:
        await act
    return caught.value


async def test_the_inviting_server_makes_the_invitation(place: Town) -> None:
    alice, bob, room_id = await two(place)
    assert await exchange(place, room_id, proposal(alice, bob, room_id)) == {}
    assert room_id in await bob.rooms("invite")
    rooms = place.servers[ONE].rooms.rooms
    stored = await rooms.member(await rooms.get(room_id), bob.user_id)
    assert stored is not None
    assert stored.event.sender == alice.user_id
    assert stored.event.content["third_party_invite"]["display_name"] == "b...@example.org"
    await bob.join(room_id)
    assert await place.servers[ONE].membership(room_id, bob.user_id) == "join"


async def test_what_does_not_fit_the_invite_is_refused(place: Town) -> None:
    alice, bob, room_id = await two(place)
    other = await place.servers[ONE].register("other")

    def content(**changes: Any) -> dict[str, Any]:
        third = {"display_name": "x", "signed": signed(bob.user_id, **changes)}
        return {"content": {"membership": "invite", "third_party_invite": third}}

    forbidden: list[dict[str, Any]] = [
        content(token="other"),
        content(key=SigningKey("ed25519:0", b"m" * 32)),
        {"content": {"membership": "invite"}},
        {"sender": other.user_id},
        {"sender": bob.user_id},
        {"state_key": alice.user_id},
    ]
    for changes in forbidden:
        error = await refused(exchange(place, room_id, proposal(alice, bob, room_id, **changes)))
        assert (error.status, error.errcode) == (403, "M_FORBIDDEN"), changes
    wrong: list[dict[str, Any]] = [
        {"type": "m.room.message"},
        {"room_id": "!other:x"},
        {"content": {"membership": "join"}},
        {"content": 1},
        {"state_key": None},
    ]
    for changes in wrong:
        assert (await refused(exchange(place, room_id, proposal(alice, bob, room_id, **changes)))).status == 400
    assert (await refused(exchange(place, "!un:known", proposal(alice, bob, room_id)))).status == 404
    assert room_id not in await bob.rooms("invite")


async def test_pending_invitations_are_redeemed_when_the_address_is_bound(place: Town) -> None:
    alice, bob, room_id = await two(place)
    invites = place.servers[TWO].handshakes.third_party_invites
    pending = PendingInvite(room_id=room_id, sender=alice.user_id, signed=signed(bob.user_id))
    nonsense = PendingInvite(room_id="nonsense", sender="nobody", signed={})
    unreachable = PendingInvite(room_id="!r:gone.test", sender="@x:gone.test", signed=signed(bob.user_id))
    await invites.bound(bob.user_id, [nonsense, unreachable, pending])
    assert room_id in await bob.rooms("invite")
    for user_id in (f"@nobody:{TWO}", alice.user_id, "nonsense"):
        assert (await refused(invites.bound(user_id, [pending]))).status == 404


async def test_an_address_of_a_local_user_is_bound(place: Town) -> None:
    alice, _, room_id = await two(place)
    ann = await place.servers[ONE].register("ann")
    pending = PendingInvite(room_id=room_id, sender=alice.user_id, signed=signed(ann.user_id))
    await place.servers[ONE].handshakes.third_party_invites.bound(ann.user_id, [pending])
    assert room_id in await ann.rooms("invite")


async def test_an_identity_server_tells_of_a_binding(place: Town) -> None:
    alice, bob, room_id = await two(place)
    pending = {
        "medium": "email",
        "address": "bob@example.org",
        "mxid": bob.user_id,
        "room_id": room_id,
        "sender": alice.user_id,
        "signed": signed(bob.user_id),
    }
    body = {"medium": "email", "address": "bob@example.org", "mxid": bob.user_id, "invites": [pending]}
    assert await place.servers[TWO].answer("", "v1 3pid", ["onbind"], [], body) == {}
    assert room_id in await bob.rooms("invite")
    assert (
        await refused(place.servers[TWO].answer("", "v1 3pid", ["onbind"], [], {"mxid": 1}))
    ).errcode == "M_BAD_JSON"
