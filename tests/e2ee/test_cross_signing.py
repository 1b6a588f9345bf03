"""Cross-signing keys and signatures. Spec: client-server API, "Cross-signing"."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import pytest

from ranvier.e2ee.remote_keys import NobodyElse, QueriedKeys
from ranvier.proto.signing import SigningKey, sign_json
from ranvier.proto.unpadded_base64 import encode_base64
from tests.api.asgi import Answer
from tests.api.homeserver import Homeserver
from tests.e2ee.person import Person, log_in, seed

UPLOAD = "/keys/device_signing/upload"
USAGES = ("master", "self_signing", "user_signing")


class Identity:
    """A person's three cross-signing keys."""

    def __init__(self, person: Person, name: str = "") -> None:
        self.person = person
        self.keys = {usage: _key(f"{person.user_id} {usage} {name}") for usage in USAGES}

    def id(self, usage: str) -> str:
        return self.keys[usage].key_id.removeprefix("ed25519:")

    def public(self, usage: str, *, signed_by: "Identity | None" = None) -> dict[str, Any]:
        value = {
            "user_id": self.person.user_id,
            "usage": [usage],
            "keys": {self.keys[usage].key_id: self.id(usage)},
        }
        if usage == "master":
            return value
        return sign_json(value, self.person.user_id, (signed_by or self).keys["master"])

    def all(self) -> dict[str, Any]:
        return {f"{usage}_key": self.public(usage) for usage in USAGES}

    def sign(self, usage: str, value: dict[str, Any]) -> dict[str, Any]:
        bare = {key: item for key, item in value.items() if key not in ("signatures", "unsigned")}
        return sign_json(bare, self.person.user_id, self.keys[usage])

    async def publish(self) -> None:
        (await self.person.client.post(UPLOAD, self.all())).ok()


def _key(name: str) -> SigningKey:
    probe = SigningKey("", seed(name))
    return SigningKey(f"ed25519:{encode_base64(probe.public_key)}", seed(name))


async def upload_signatures(person: Person, body: object) -> Any:
    answer: Answer = await person.client.post("/keys/signatures/upload", body)
    return answer.ok()["failures"]


async def test_who_sees_what(alice: Person, bob: Person) -> None:
    identity = Identity(alice)
    await identity.publish()
    own = await alice.keys_of(alice.user_id)
    for usage in USAGES:
        assert own[f"{usage}_keys"] == {alice.user_id: identity.public(usage)}
    others = await bob.keys_of(alice.user_id)
    assert others["master_keys"] == own["master_keys"]
    assert others["self_signing_keys"] == own["self_signing_keys"]
    assert others["user_signing_keys"] == {}


async def test_the_first_upload_needs_no_password_and_others_do(alice: Person) -> None:
    first, second = Identity(alice), Identity(alice, "second")
    await first.publish()
    await first.publish()
    (await alice.client.post(UPLOAD, {"user_signing_key": first.public("user_signing")})).ok()
    changed = {**first.all(), "self_signing_key": second.public("self_signing", signed_by=first)}
    assert (await alice.client.post(UPLOAD, changed)).status == 401
    assert (await alice.client.post(UPLOAD, second.all())).status == 401
    assert (await alice.keys_of(alice.user_id))["master_keys"][alice.user_id] == first.public("master")
    (await alice.confirmed(UPLOAD, second.all())).ok()
    found = await alice.keys_of(alice.user_id)
    for usage in USAGES:
        assert found[f"{usage}_keys"] == {alice.user_id: second.public(usage)}


async def test_one_key_may_be_replaced(alice: Person) -> None:
    first, second = Identity(alice), Identity(alice, "second")
    await first.publish()
    replacement = second.public("self_signing", signed_by=first)
    (await alice.confirmed(UPLOAD, {"self_signing_key": replacement})).ok()
    found = await alice.keys_of(alice.user_id)
    assert found["master_keys"][alice.user_id] == first.public("master")
    assert found["self_signing_keys"][alice.user_id] == replacement


async def test_a_new_master_key_takes_the_others_along(alice: Person) -> None:
    first, second = Identity(alice), Identity(alice, "second")
    await first.publish()
    (await alice.confirmed(UPLOAD, {"master_key": second.public("master")})).ok()
    found = await alice.keys_of(alice.user_id)
    assert found["master_keys"][alice.user_id] == second.public("master")
    assert found["self_signing_keys"] == found["user_signing_keys"] == {}


async def test_bad_keys(alice: Person, bob: Person) -> None:
    identity, other = Identity(alice), Identity(alice, "other")
    master = identity.public("master")
    bad: list[tuple[dict[str, Any], str]] = [
        ({}, "M_MISSING_PARAM"),
        ({"self_signing_key": identity.public("self_signing")}, "M_MISSING_PARAM"),
        ({"master_key": {**master, "user_id": bob.user_id}}, "M_INVALID_PARAM"),
        ({"master_key": {**master, "usage": ["self_signing"]}}, "M_INVALID_PARAM"),
        ({"master_key": {**master, "keys": {}}}, "M_INVALID_PARAM"),
        ({"master_key": {**master, "keys": {**master["keys"], "ed25519:x": "x"}}}, "M_INVALID_PARAM"),
        ({"master_key": {**master, "keys": {"ed25519:short": "short"}}}, "M_INVALID_PARAM"),
        ({"master_key": {**master, "keys": {"ed25519:x": identity.id("master")}}}, "M_INVALID_PARAM"),
        ({"master_key": {**master, "keys": "x"}}, "M_BAD_JSON"),
        ({"master_key": "x"}, "M_BAD_JSON"),
    ]
    for usage in ("self_signing", "user_signing"):
        good = identity.public(usage)
        unsigned = {key: value for key, value in good.items() if key != "signatures"}
        bad += [
            ({"master_key": master, f"{usage}_key": key}, "M_INVALID_SIGNATURE")
            for key in (unsigned, identity.public(usage, signed_by=other), {**good, "more": 1})
        ]
    for body, errcode in bad:
        (await alice.client.post(UPLOAD, body)).refused(400, errcode)
    assert (await alice.keys_of(alice.user_id))["master_keys"] == {}


async def test_devices_and_keys_have_different_names(homeserver: Homeserver, alice: Person) -> None:
    identity = Identity(alice)
    second = await log_in(homeserver, alice, identity.id("self_signing"))
    (await alice.client.post(UPLOAD, identity.all())).refused(403, "M_FORBIDDEN")
    (await second.client.post("/logout")).ok()
    await identity.publish()
    body = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": "alice"}}
    answer = await homeserver.stranger().post(
        "/login", {**body, "password": "correct horse", "device_id": identity.id("master")}
    )
    answer.refused(403, "M_FORBIDDEN")


async def test_new_keys_are_told(alice: Person, bob: Person) -> None:
    await alice.room(bob)
    for person in (alice, bob):
        await person.sync()
    identity = Identity(alice)
    await identity.publish()
    assert await bob.device_lists() == ([alice.user_id], [])
    assert await alice.device_lists() == ([alice.user_id], [])
    await identity.publish()
    assert await bob.device_lists() == ([], [])


async def test_a_device_is_signed(alice: Person, bob: Person) -> None:
    await alice.room(bob)
    await alice.publish()
    identity = Identity(alice)
    await identity.publish()
    await bob.keys_of(alice.user_id)
    await bob.sync()
    signed = identity.sign("self_signing", alice.device_keys)
    assert await upload_signatures(alice, {alice.user_id: {alice.device_id: signed}}) == {}
    keys = (await bob.keys_of(alice.user_id))["device_keys"][alice.user_id][alice.device_id]
    key_id = identity.keys["self_signing"].key_id
    assert keys["signatures"][alice.user_id].keys() == {alice.key.key_id, key_id}
    assert keys["signatures"][alice.user_id][key_id] == signed["signatures"][alice.user_id][key_id]
    assert await bob.device_lists() == ([alice.user_id], [])


async def test_a_device_signs_the_master_key(alice: Person, bob: Person) -> None:
    await alice.publish()
    identity = Identity(alice)
    await identity.publish()
    signed = sign_json(identity.public("master"), alice.user_id, alice.key)
    assert await upload_signatures(alice, {alice.user_id: {identity.id("master"): signed}}) == {}
    assert (await bob.keys_of(alice.user_id))["master_keys"][alice.user_id] == signed


async def test_what_one_signs_of_another_is_seen_by_oneself_only(
    homeserver: Homeserver, alice: Person, bob: Person, carol: Person
) -> None:
    second = await log_in(homeserver, alice)
    mine, theirs = Identity(alice), Identity(bob)
    await mine.publish()
    await theirs.publish()
    await alice.room(bob, carol)
    for person in (alice, second, bob, carol):
        await person.sync()
        await person.keys_of(bob.user_id)
    signed = mine.sign("user_signing", theirs.public("master"))
    assert await upload_signatures(alice, {bob.user_id: {theirs.id("master"): signed}}) == {}
    for device in (alice, second):
        assert (await device.keys_of(bob.user_id))["master_keys"][bob.user_id] == signed
        assert await device.device_lists() == ([bob.user_id], [])
    for person in (bob, carol):
        assert (await person.keys_of(bob.user_id))["master_keys"][bob.user_id] == theirs.public("master")
        assert await person.device_lists() == ([], [])


async def test_bad_signatures(alice: Person, bob: Person) -> None:
    await alice.publish()
    await bob.publish()
    mine, theirs, other = Identity(alice), Identity(bob), Identity(alice, "other")
    await mine.publish()
    await theirs.publish()
    device, master = alice.device_keys, theirs.public("master")
    key_id = mine.keys["self_signing"].key_id
    cases: list[tuple[Person, str, dict[str, Any], str]] = [
        (alice, alice.device_id, other.sign("self_signing", device), "M_INVALID_SIGNATURE"),
        (alice, alice.device_id, mine.sign("user_signing", device), "M_INVALID_SIGNATURE"),
        (alice, alice.device_id, {**device, "signatures": {alice.user_id: {key_id: "x"}}}, "M_INVALID_SIGNATURE"),
        (alice, alice.device_id, {**device, "signatures": {}}, "M_INVALID_SIGNATURE"),
        (alice, alice.device_id, mine.sign("self_signing", {**device, "algorithms": []}), "M_INVALID_PARAM"),
        (alice, alice.device_id, {"x": 1.5}, "M_INVALID_PARAM"),
        (alice, "NONE", mine.sign("self_signing", device), "M_NOT_FOUND"),
        (alice, mine.id("self_signing"), mine.sign("master", mine.public("self_signing")), "M_NOT_FOUND"),
        (bob, bob.device_id, mine.sign("user_signing", bob.device_keys), "M_NOT_FOUND"),
        (bob, theirs.id("self_signing"), mine.sign("user_signing", theirs.public("self_signing")), "M_NOT_FOUND"),
        (bob, theirs.id("master"), mine.sign("self_signing", master), "M_INVALID_SIGNATURE"),
        (bob, theirs.id("master"), mine.sign("user_signing", {**master, "usage": []}), "M_INVALID_PARAM"),
    ]
    for target, key, value, errcode in cases:
        failures = await upload_signatures(alice, {target.user_id: {key: value}})
        assert failures[target.user_id][key]["errcode"] == errcode, (key, value)
    found = await alice.keys_of(alice.user_id, bob.user_id)
    assert found["device_keys"][alice.user_id][alice.device_id] == device
    assert found["master_keys"][bob.user_id] == master


async def test_good_signatures_among_bad_ones(alice: Person) -> None:
    await alice.publish()
    identity = Identity(alice)
    await identity.publish()
    signed = identity.sign("self_signing", alice.device_keys)
    failures = await upload_signatures(alice, {alice.user_id: {alice.device_id: signed, "NONE": signed}})
    assert failures.keys() == {alice.user_id}
    assert failures[alice.user_id].keys() == {"NONE"}
    keys = (await alice.keys_of(alice.user_id))["device_keys"][alice.user_id][alice.device_id]
    assert len(keys["signatures"][alice.user_id]) == 2


async def test_signatures_with_a_replaced_key_are_gone(alice: Person) -> None:
    await alice.publish()
    first, second = Identity(alice), Identity(alice, "second")
    await first.publish()
    signed = first.sign("self_signing", alice.device_keys)
    assert await upload_signatures(alice, {alice.user_id: {alice.device_id: signed}}) == {}
    (await alice.confirmed(UPLOAD, second.all())).ok()
    keys = (await alice.keys_of(alice.user_id))["device_keys"][alice.user_id]
    assert keys == {alice.device_id: alice.device_keys}


@pytest.mark.parametrize("body", [[], {"@a:b": []}, {"@a:b": {"X": "x"}}])
async def test_signatures_of_the_wrong_shape(alice: Person, body: object) -> None:
    (await alice.client.post("/keys/signatures/upload", body)).refused(400, "M_BAD_JSON")


class _Elsewhere(NobodyElse):
    """Other servers, which know these master keys."""

    def __init__(self, **masters: dict[str, Any]) -> None:
        self.masters = {master["user_id"]: orjson.dumps(master) for master in masters.values()}
        self.asked: list[str] = []

    async def query(self, wanted: Mapping[str, Sequence[str]], *, timeout_ms: int) -> QueriedKeys:
        self.asked += wanted
        return QueriedKeys(masters={user_id: self.masters[user_id] for user_id in wanted if user_id in self.masters})


async def test_a_user_of_another_server_is_signed(homeserver: Homeserver, alice: Person, bob: Person) -> None:
    identity = Identity(alice)
    await identity.publish()
    key = _key("@carol:other.test master")
    public = key.key_id.removeprefix("ed25519:")
    carol: dict[str, Any] = {"user_id": "@carol:other.test", "usage": ["master"], "keys": {key.key_id: public}}
    elsewhere = _Elsewhere(carol=sign_json(carol, "@carol:other.test", key))
    homeserver.server.e2ee.queries.remote = elsewhere
    signed = identity.sign("user_signing", carol)
    assert await upload_signatures(alice, {"@carol:other.test": {public: signed}}) == {}
    seen = (await alice.keys_of("@carol:other.test"))["master_keys"]["@carol:other.test"]["signatures"]
    assert seen[alice.user_id] == signed["signatures"][alice.user_id] and "@carol:other.test" in seen
    others = (await bob.keys_of("@carol:other.test"))["master_keys"]["@carol:other.test"]["signatures"]
    assert alice.user_id not in others
    wrong = {
        "@carol:other.test": {public: {**signed, "signatures": {alice.user_id: {}}}},
        "@dave:other.test": {"x": {}},
    }
    failures = await upload_signatures(alice, wrong)
    assert failures["@carol:other.test"][public]["errcode"] == "M_INVALID_SIGNATURE"
    assert failures["@dave:other.test"]["x"]["errcode"] == "M_NOT_FOUND"
    elsewhere.asked.clear()
    await upload_signatures(alice, {bob.user_id: {"x": {}}})
    assert not elsewhere.asked
