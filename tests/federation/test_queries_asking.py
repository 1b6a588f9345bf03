"""What clients get when other servers have to be asked."""

import asyncio
from typing import Any

import pytest

from ranvier.federation.ask_directory import DirectoryAsking
from ranvier.federation.ask_keys import KeyAsking
from ranvier.federation.ask_profiles import ProfileAsking
from ranvier.federation.ask_spaces import SpaceAsking
from ranvier.federation.client import Unreachable
from ranvier.ports import SystemClock
from ranvier.proto.signing import SigningKey, sign_json
from ranvier.proto.unpadded_base64 import encode_base64
from ranvier.rooms.remote_rooms import DirectorySearch
from tests.federation.asked import OTHER, OWN, REMOTE, refused
from tests.federation.elsewhere import Elsewhere, Question

BOB = f"@bob:{REMOTE}"
MALLORY = f"@mallory:{OTHER}"


@pytest.fixture
def elsewhere() -> Elsewhere:
    return Elsewhere()


def device(user_id: str, device_id: str, **more: Any) -> dict[str, Any]:
    """The keys of a device, signed by itself."""
    key = SigningKey(f"ed25519:{device_id}", bytes(32))
    keys = {f"ed25519:{device_id}": encode_base64(key.public_key), f"curve25519:{device_id}": "x"}
    told = {"user_id": user_id, "device_id": device_id, "algorithms": ["m.olm"], "keys": keys, **more}
    return sign_json(told, user_id, key)


def cross_signing(user_id: str, usage: str, seed: int, signer: int | None = None) -> dict[str, Any]:
    """A cross-signing key, signed by another."""
    public = encode_base64(SigningKey("", bytes([seed] * 32)).public_key)
    told: dict[str, Any] = {"user_id": user_id, "usage": [usage], "keys": {f"ed25519:{public}": public}}
    if signer is None:
        return told
    raw = bytes([signer] * 32)
    return sign_json(told, user_id, SigningKey("ed25519:" + encode_base64(SigningKey("", raw).public_key), raw))


class TestKeys:
    async def test_keys_of_users_of_several_servers(self, elsewhere: Elsewhere) -> None:
        elsewhere.answers(REMOTE, {"device_keys": {BOB: {"B": device(BOB, "B")}}})
        elsewhere.answers(OTHER, {"device_keys": {MALLORY: {"M": device(MALLORY, "M")}}})
        wanted = {BOB: [], MALLORY: ["M"], "@x:down.test": []}
        found = await KeyAsking(client=elsewhere.client).query(wanted, timeout_ms=5000)
        assert {user: list(devices) for user, devices in found.devices.items()} == {BOB: ["B"], MALLORY: ["M"]}
        assert found.failures == {"down.test": {"errcode": "M_UNREACHABLE", "error": "The server could not be reached"}}
        assert {question.server: question.content for question in elsewhere.asked} == {
            REMOTE: {"device_keys": {BOB: []}},
            OTHER: {"device_keys": {MALLORY: ["M"]}},
            "down.test": {"device_keys": {"@x:down.test": []}},
        }

    async def test_what_nobody_asked_for_counts_for_nothing(self, elsewhere: Elsewhere) -> None:
        told = {
            "device_keys": {
                BOB: {"B": device(BOB, "B"), "C": device(BOB, "C")},
                "@alice:ranvier.test": {"A": device("@alice:ranvier.test", "A")},
                MALLORY: {"M": device(MALLORY, "M")},
            },
            "master_keys": {MALLORY: cross_signing(MALLORY, "master", 1)},
        }
        elsewhere.answers(REMOTE, told)
        found = await KeyAsking(client=elsewhere.client).query({BOB: ["B"]}, timeout_ms=5000)
        assert {user: list(devices) for user, devices in found.devices.items()} == {BOB: ["B"]}
        assert found.masters == {}

    @pytest.mark.parametrize("keys", [
        None,
        [],
        {},
        device(MALLORY, "B"),
        device(BOB, "OTHER"),
        {**device(BOB, "B"), "signatures": {}},
        {**device(BOB, "B"), "signatures": {BOB: {"ed25519:B": "AAAA"}}},
        {**device(BOB, "B"), "algorithms": ["changed"]},
        {**device(BOB, "B"), "algorithms": "m.olm"},
        {**device(BOB, "B"), "keys": {"ed25519:B": 7}},
        {**device(BOB, "B"), "keys": {}},
        {**device(BOB, "B"), "float": 1.5},
    ])  # fmt: skip
    async def test_bad_devices_are_left_out(self, elsewhere: Elsewhere, keys: object) -> None:
        elsewhere.answers(REMOTE, {"device_keys": {BOB: {"B": keys, "GOOD": device(BOB, "GOOD")}}})
        found = await KeyAsking(client=elsewhere.client).query({BOB: []}, timeout_ms=5000)
        assert list(found.devices[BOB]) == ["GOOD"]

    async def test_many_devices(self, elsewhere: Elsewhere) -> None:
        devices = {f"D{number}": device(BOB, f"D{number}") for number in range(120)}
        devices["D7"]["signatures"] = {}
        elsewhere.answers(REMOTE, {"device_keys": {BOB: devices}})
        found = await KeyAsking(client=elsewhere.client).query({BOB: []}, timeout_ms=5000)
        assert len(found.devices[BOB]) == 119

    async def test_names_are_all_that_stays_of_unsigned(self, elsewhere: Elsewhere) -> None:
        unsigned = {"device_display_name": "Phone", "secret": "x"}
        elsewhere.answers(REMOTE, {"device_keys": {BOB: {"B": {**device(BOB, "B"), "unsigned": unsigned}}}})
        found = await KeyAsking(client=elsewhere.client).query({BOB: []}, timeout_ms=5000)
        assert b'"unsigned":{"device_display_name":"Phone"}' in found.devices[BOB]["B"]

    async def test_cross_signing_keys(self, elsewhere: Elsewhere) -> None:
        master, signing = cross_signing(BOB, "master", 1), cross_signing(BOB, "self_signing", 2, signer=1)
        told: dict[str, Any] = {"device_keys": {}, "master_keys": {BOB: master}, "self_signing_keys": {BOB: signing}}
        elsewhere.answers(REMOTE, told)
        asking = KeyAsking(client=elsewhere.client)
        found = await asking.query({BOB: []}, timeout_ms=5000)
        assert list(found.masters) == list(found.self_signing) == [BOB]
        told["self_signing_keys"][BOB] = cross_signing(BOB, "self_signing", 2, signer=3)
        assert (await asking.query({BOB: []}, timeout_ms=5000)).self_signing == {}
        told["self_signing_keys"][BOB] = cross_signing(BOB, "self_signing", 2)
        assert (await asking.query({BOB: []}, timeout_ms=5000)).self_signing == {}
        told["master_keys"][BOB] = cross_signing(BOB, "user_signing", 1)
        assert (await asking.query({BOB: []}, timeout_ms=5000)).masters == {}
        told["master_keys"][BOB] = cross_signing(MALLORY, "master", 1)
        assert (await asking.query({BOB: []}, timeout_ms=5000)).masters == {}

    @pytest.mark.parametrize("answer", [[], {}, 7, None, {"device_keys": []}, {"device_keys": {BOB: [1]}}])
    async def test_answers_that_make_no_sense(self, elsewhere: Elsewhere, answer: object) -> None:
        elsewhere.answers(REMOTE, answer)
        asking = KeyAsking(client=elsewhere.client)
        found = await asking.query({BOB: []}, timeout_ms=5000)
        assert found.devices.get(BOB, {}) == {}
        assert (await asking.claim({BOB: {"B": "signed_curve25519"}}, timeout_ms=5000)).keys == {}
        with pytest.raises(Unreachable):
            await asking.devices(BOB)

    async def test_slow_servers_do_not_hold_up_the_others(self, elsewhere: Elsewhere) -> None:
        async def slow(_: Question) -> Any:
            await asyncio.sleep(60)

        elsewhere.servers[OTHER] = slow
        elsewhere.answers(REMOTE, {"device_keys": {BOB: {"B": device(BOB, "B")}}})
        found = await KeyAsking(client=elsewhere.client).query({BOB: [], MALLORY: []}, timeout_ms=100)
        assert list(found.devices) == [BOB]
        assert found.failures[OTHER]["errcode"] == "M_UNREACHABLE"

    async def test_errors_are_told(self, elsewhere: Elsewhere) -> None:
        elsewhere.refuses(REMOTE, 403, "M_FORBIDDEN")
        found = await KeyAsking(client=elsewhere.client).claim({BOB: {"B": "x"}}, timeout_ms=5000)
        assert found.failures == {REMOTE: {"errcode": "M_FORBIDDEN", "error": "because"}}

    async def test_claims(self, elsewhere: Elsewhere) -> None:
        good = {"key": "k", "signatures": {BOB: {"ed25519:B": "s"}}}
        told = {
            BOB: {
                "B": {"signed_curve25519:1": good, "signed_curve25519:2": good},
                "C": {"curve25519:1": "text"},
                "D": {"signed_curve25519:1": {"key": 7}},
                "UNASKED": {"signed_curve25519:1": good},
            },
            MALLORY: {"M": {"signed_curve25519:1": good}},
        }
        elsewhere.answers(REMOTE, {"one_time_keys": told})
        wanted = {BOB: dict.fromkeys("BCD", "signed_curve25519")}
        found = await KeyAsking(client=elsewhere.client).claim(wanted, timeout_ms=5000)
        assert {user: {name: list(keys) for name, keys in devices.items()} for user, devices in found.keys.items()} == {
            BOB: {"B": ["signed_curve25519:1"]}
        }

    async def test_a_whole_list_of_devices(self, elsewhere: Elsewhere) -> None:
        elsewhere.answers(REMOTE, {
            "user_id": BOB,
            "stream_id": 7,
            "devices": [
                {"device_id": "B", "keys": device(BOB, "B"), "device_display_name": "Phone"},
                {"device_id": "C", "keys": device(BOB, "B")},
                {"device_id": "D"},
                "x",
            ],
            "master_key": cross_signing(BOB, "master", 1),
            "self_signing_key": cross_signing(BOB, "self_signing", 2, signer=1),
        })  # fmt: skip
        told = await KeyAsking(client=elsewhere.client).devices(BOB)
        assert (told.user_id, told.stream_id, list(told.devices)) == (BOB, 7, ["B"])
        assert b"Phone" in told.devices["B"]
        assert told.master is not None
        assert told.self_signing is not None
        assert elsewhere.asked[0].segments == ("user", "devices", BOB)


class TestProfiles:
    def asking(self, elsewhere: Elsewhere) -> ProfileAsking:
        return ProfileAsking(client=elsewhere.client, clock=SystemClock())

    async def test_asked_once(self, elsewhere: Elsewhere) -> None:
        told = {"displayname": "Bob", "avatar_url": None, "m.tz": "Europe/Berlin"}
        elsewhere.answers(REMOTE, told)
        asking = self.asking(elsewhere)
        found = await asyncio.gather(*(asking.get(BOB) for _ in range(5)))
        assert found == [{"displayname": "Bob", "m.tz": "Europe/Berlin"}] * 5
        await asking.get(BOB)
        (question,) = elsewhere.asked
        assert (question.segments, question.query) == (("query", "profile"), {"user_id": BOB})

    async def test_fields_that_are_not_texts(self, elsewhere: Elsewhere) -> None:
        elsewhere.answers(REMOTE, {"displayname": 7, "avatar_url": ["x"], "other": {"x": 1}})
        assert await self.asking(elsewhere).get(BOB) == {"other": {"x": 1}}

    async def test_no_such_user_is_remembered(self, elsewhere: Elsewhere) -> None:
        elsewhere.refuses(REMOTE, 404, "M_NOT_FOUND")
        asking = self.asking(elsewhere)
        for _ in range(2):
            await refused(asking.get(BOB), 404, "M_NOT_FOUND")
        assert len(elsewhere.asked) == 1

    async def test_errors_are_not_remembered(self, elsewhere: Elsewhere) -> None:
        asking = self.asking(elsewhere)
        await refused(asking.get(BOB), 502, "M_UNKNOWN")
        elsewhere.refuses(REMOTE, 403, "M_FORBIDDEN")
        await refused(asking.get(BOB), 403, "M_FORBIDDEN")
        elsewhere.answers(REMOTE, [])
        await refused(asking.get(BOB), 502, "M_UNKNOWN")
        elsewhere.answers(REMOTE, {})
        assert await asking.get(BOB) == {}

    async def test_asking_outlives_who_asked_first(self, elsewhere: Elsewhere) -> None:
        go_on = asyncio.Event()

        async def slow(_: Question) -> Any:
            await go_on.wait()
            return {"displayname": "Bob"}

        elsewhere.servers[REMOTE] = slow
        asking = self.asking(elsewhere)
        first = asyncio.create_task(asking.get(BOB))
        await asyncio.sleep(0)
        second = asyncio.create_task(asking.get(BOB))
        await asyncio.sleep(0)
        first.cancel()
        go_on.set()
        assert await second == {"displayname": "Bob"}
        assert len(elsewhere.asked) == 1


class TestAliases:
    async def test_an_alias_of_another_server(self, elsewhere: Elsewhere) -> None:
        told = {"room_id": "!r:remote.test", "servers": ["a.test", "not a server", 7, "a.test", "b.test"]}
        elsewhere.answers(REMOTE, told)
        found = await DirectoryAsking(client=elsewhere.client).resolve(f"#den:{REMOTE}")
        assert found == ("!r:remote.test", ["a.test", "b.test"])
        assert elsewhere.asked[0].query == {"room_alias": f"#den:{REMOTE}"}

    async def test_no_servers_means_the_one_that_was_asked(self, elsewhere: Elsewhere) -> None:
        elsewhere.answers(REMOTE, {"room_id": "!r:remote.test", "servers": None})
        found = await DirectoryAsking(client=elsewhere.client).resolve(f"#den:{REMOTE}")
        assert found == ("!r:remote.test", [REMOTE])

    async def test_errors(self, elsewhere: Elsewhere) -> None:
        asking = DirectoryAsking(client=elsewhere.client)
        await refused(asking.resolve(f"#den:{REMOTE}"), 502, "M_UNKNOWN")
        elsewhere.refuses(REMOTE, 404, "M_NOT_FOUND")
        await refused(asking.resolve(f"#den:{REMOTE}"), 404, "M_NOT_FOUND")
        answers: list[object] = [[], {}, {"room_id": "x"}, {"room_id": 7}]
        for nonsense in answers:
            elsewhere.answers(REMOTE, nonsense)
            await refused(asking.resolve(f"#den:{REMOTE}"), 404, "M_NOT_FOUND")


class TestDirectories:
    async def test_a_page(self, elsewhere: Elsewhere) -> None:
        room = {
            "room_id": "!r:remote.test", "name": "Den", "num_joined_members": 3, "world_readable": True,
            "guest_can_join": True, "join_rule": "knock", "topic": 7, "avatar_url": "http://x", "canonical_alias": "x",
        }  # fmt: skip
        elsewhere.answers(
            REMOTE,
            {"chunk": [room, {"name": "x"}, 7, {"room_id": "!s:remote.test"}], "next_batch": "n", "prev_batch": 7,
             "total_room_count_estimate": 12},
        )  # fmt: skip
        page = await DirectoryAsking(client=elsewhere.client).page(REMOTE, DirectorySearch(since="s", limit=10))
        assert [found.room_id for found in page.rooms] == ["!r:remote.test", "!s:remote.test"]
        den, other = page.rooms
        assert (den.name, den.topic, den.avatar, den.canonical_alias) == ("Den", None, None, None)
        assert (den.history_visibility, den.guest_access, den.join_rule) == ("world_readable", "can_join", "knock")
        assert (other.join_rule, other.joined_members) == ("public", 0)
        assert (page.next_batch, page.prev_batch, page.total) == ("n", None, 12)
        (question,) = elsewhere.asked
        assert (question.method, question.query) == ("GET", {"since": "s", "limit": "10"})

    async def test_a_search(self, elsewhere: Elsewhere) -> None:
        elsewhere.answers(REMOTE, {"chunk": "x"})
        search = DirectorySearch(term="den", room_types=[None, "m.space"], include_all_networks=True)
        page = await DirectoryAsking(client=elsewhere.client).page(REMOTE, search)
        assert (page.rooms, page.total) == ([], 0)
        (question,) = elsewhere.asked
        assert question.method == "POST"
        assert question.content == {
            "limit": 100,
            "include_all_networks": True,
            "filter": {"generic_search_term": "den", "room_types": [None, "m.space"]},
        }

    async def test_errors(self, elsewhere: Elsewhere) -> None:
        asking = DirectoryAsking(client=elsewhere.client)
        await refused(asking.page(REMOTE, DirectorySearch()), 502, "M_UNKNOWN")
        elsewhere.refuses(REMOTE, 403, "M_FORBIDDEN")
        await refused(asking.page(REMOTE, DirectorySearch()), 403, "M_FORBIDDEN")


class TestSpaces:
    def asking(self, elsewhere: Elsewhere) -> SpaceAsking:
        return SpaceAsking(client=elsewhere.client, clock=SystemClock(), server_name=OWN)

    async def test_several_servers_are_tried(self, elsewhere: Elsewhere) -> None:
        elsewhere.refuses(OTHER, 404, "M_NOT_FOUND")
        elsewhere.answers(REMOTE, {"room": {"room_id": "!r:remote.test"}, "children": []})
        asking = self.asking(elsewhere)
        wanted = {"!r:remote.test": ["down.test", OWN, "not a server", OTHER, REMOTE]}
        for _ in range(2):
            found = await asking.spaces(wanted, suggested_only=True)
            assert found["!r:remote.test"].room.room_id == "!r:remote.test"
        assert [question.server for question in elsewhere.asked] == ["down.test", OTHER, REMOTE]
        assert elsewhere.asked[0].query == {"suggested_only": "true"}

    @pytest.mark.parametrize("answer", [
        [], {}, {"room": 7}, {"room": {"room_id": "!other:remote.test"}}, {"room": {"room_id": 7}},
    ])  # fmt: skip
    async def test_answers_that_make_no_sense(self, elsewhere: Elsewhere, answer: object) -> None:
        elsewhere.answers(REMOTE, answer)
        assert await self.asking(elsewhere).spaces({"!r:remote.test": [REMOTE]}, suggested_only=False) == {}

    async def test_malformed_children_are_left_out(self, elsewhere: Elsewhere) -> None:
        child = {
            "type": "m.space.child", "state_key": "!c:remote.test", "sender": BOB, "content": {"via": ["x"]},
            "origin_server_ts": 1,
        }  # fmt: skip
        told = {
            "room": {"room_id": "!r:remote.test", "room_type": "m.space", "children_state": [child, 7, {}, {**child, "sender": 7}]},
            "children": [{"room_id": "!c:remote.test"}, {"room_id": "!r:remote.test"}, 7],
            "inaccessible_children": ["!x:remote.test", 7],
        }  # fmt: skip
        elsewhere.answers(REMOTE, told)
        found = (await self.asking(elsewhere).spaces({"!r:remote.test": [REMOTE]}, suggested_only=False))[
            "!r:remote.test"
        ]
        assert [child.state_key for child in found.children_state] == ["!c:remote.test"]
        assert list(found.children) == ["!c:remote.test"]
        assert found.inaccessible == {"!x:remote.test"}
