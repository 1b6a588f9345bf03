"""The member rule for invites, plain and by a third-party identifier."""

from base64 import b64encode, urlsafe_b64encode
from typing import Any

import orjson
import pytest
from nacl.signing import SigningKey

from ranvier.proto.events import Event
from tests.proto.auth_room import ALICE, BOB, CAROL, VERSIONS, Room, new_room

KEY = SigningKey(bytes(range(32)))
OTHER_KEY = SigningKey(bytes(range(1, 33)))


def unpadded(value: bytes) -> str:
    return b64encode(value).decode().rstrip("=")


def invite(room: Room, target: str = BOB, *, sender: str = ALICE, **content: Any) -> Event:
    return room.event("m.room.member", {"membership": "invite", **content}, sender=sender, state_key=target)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("before", "allowed"),
    [(None, True), ("leave", True), ("invite", True), ("knock", True), ("join", False), ("ban", False)],
)
def test_who_may_be_invited(version: str, before: str | None, allowed: bool) -> None:
    room = new_room(version)
    room.members(bob=before)
    assert room.allows(invite(room)) is allowed


@pytest.mark.parametrize("version", VERSIONS)
def test_who_may_invite(version: str) -> None:
    room = new_room(version)
    room.members(carol="join")
    assert room.allows(invite(room, sender=CAROL))
    room.levels({"invite": 10}, carol=10)
    assert room.allows(invite(room, sender=CAROL))
    room.levels({"invite": 11}, carol=10)
    assert not room.allows(invite(room, sender=CAROL))
    room.levels({"invite": 0})
    room.members(carol="leave")
    assert not room.allows(invite(room, sender=CAROL))


def signed_token(*, mxid: str = BOB, token: str = "abc", key: SigningKey = KEY) -> dict[str, Any]:
    signed = {"mxid": mxid, "token": token}
    signature = key.sign(orjson.dumps(signed, option=orjson.OPT_SORT_KEYS)).signature
    return {**signed, "signatures": {"id.example": {"ed25519:0": unpadded(signature)}}}


@pytest.fixture(params=VERSIONS)
def room(request: pytest.FixtureRequest) -> Room:
    room = new_room(request.param)
    keys = {"public_key": unpadded(KEY.verify_key.encode()), "display_name": "b...", "key_validity_url": "https://x"}
    room.set("m.room.third_party_invite", keys, state_key="abc")
    return room


def third_party(room: Room, signed: object, *, sender: str = ALICE) -> Event:
    return invite(room, sender=sender, third_party_invite={"display_name": "b...", "signed": signed})


def test_a_signed_token_invites(room: Room) -> None:
    assert room.allows(third_party(room, signed_token()))


def test_the_sender_need_not_be_in_the_room_nor_have_power(room: Room) -> None:
    room.levels({"invite": 100})
    room.set(
        "m.room.third_party_invite",
        room.state[("m.room.third_party_invite", "abc")].content,
        sender=CAROL,
        state_key="abc",
    )
    assert room.allows(third_party(room, signed_token(), sender=CAROL))
    assert not room.allows(third_party(room, signed_token(), sender=ALICE))


def test_the_banned_stay_out(room: Room) -> None:
    room.members(bob="ban")
    assert not room.allows(third_party(room, signed_token()))
    room.members(bob="join")
    assert room.allows(third_party(room, signed_token()))


def test_the_token_must_exist_and_be_for_this_user(room: Room) -> None:
    assert not room.allows(third_party(room, signed_token(token="def")))
    assert not room.allows(third_party(room, signed_token(mxid=CAROL)))


def test_the_signature_must_be_by_the_key_of_the_room(room: Room) -> None:
    assert not room.allows(third_party(room, signed_token(key=OTHER_KEY)))
    tampered = {**signed_token(), "extra": 1}
    assert not room.allows(third_party(room, tampered))


def test_unsigned_and_further_signatures_do_not_matter(room: Room) -> None:
    signed = signed_token()
    signed["unsigned"] = {"age": 1}
    signed["signatures"]["elsewhere.example"] = {"rsa:1": "AAAA", "ed25519:9": "!!"}
    assert room.allows(third_party(room, signed))


@pytest.mark.parametrize("encode", [unpadded, lambda key: urlsafe_b64encode(key).decode()])
def test_any_of_several_keys_will_do_in_either_alphabet(room: Room, encode: Any) -> None:
    keys = {
        "public_key": unpadded(OTHER_KEY.verify_key.encode()),
        "public_keys": [{"public_key": "short"}, 1, {}, {"public_key": encode(KEY.verify_key.encode())}],
    }
    room.set("m.room.third_party_invite", keys, state_key="abc")
    assert room.allows(third_party(room, signed_token()))
    room.set("m.room.third_party_invite", {"public_keys": keys["public_keys"][:3]}, state_key="abc")
    assert not room.allows(third_party(room, signed_token()))


@pytest.mark.parametrize(
    "signed",
    [
        None, [], {}, {"token": "abc"}, {"mxid": BOB}, {"mxid": BOB, "token": "abc"},
        {"mxid": BOB, "token": "abc", "signatures": []},
        {"mxid": BOB, "token": "abc", "signatures": {"x": 1}},
        {"mxid": BOB, "token": "abc", "signatures": {"x": {"ed25519:0": 1}}},
        {"mxid": BOB, "token": "abc", "huge": 2**80, "signatures": {"x": {"ed25519:0": "A" * 86}}},
        {"mxid": BOB, "token": ["abc"], "signatures": {}},
    ],
)  # fmt: skip
def test_malformed_tokens_are_refused(room: Room, signed: object) -> None:
    assert not room.allows(third_party(room, signed))


def test_the_property_alone_makes_it_a_third_party_invite(room: Room) -> None:
    assert not room.allows(invite(room, third_party_invite=None))
    assert not room.allows(invite(room, third_party_invite={}))
