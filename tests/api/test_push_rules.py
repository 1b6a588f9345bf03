"""The push rules API. Spec: client-server API, "Push Rules: API"."""

from pathlib import Path
from typing import Any

import pytest

from tests.api.asgi import Client, part
from tests.api.device import Device
from tests.api.homeserver import running

RULES = "/pushrules/global"
ROOM = "!room:ranvier.test"


async def ids(client: Client, kind: str) -> list[str]:
    """The ids of the user's own rules of a kind, the most important first."""
    rules = (await client.get(f"{RULES}/")).ok()[kind]
    return [rule["rule_id"] for rule in rules if not rule["default"]]


async def add(client: Client, rule_id: str, query: str = "", **rule: Any) -> None:
    (await client.put(f"{RULES}/override/{rule_id}{query}", {"actions": ["notify"], **rule})).ok()


async def test_everyone_has_the_rules_of_the_server(alice: Client) -> None:
    everything = (await alice.get("/pushrules/")).ok()
    assert everything.keys() == {"global"}
    assert (await alice.get(f"{RULES}/")).ok() == everything["global"]
    assert everything["global"].keys() == {"override", "content", "room", "sender", "underride"}
    master = everything["global"]["override"][0]
    assert master == {
        "rule_id": ".m.rule.master", "default": True, "enabled": False, "conditions": [], "actions": []
    }  # fmt: skip
    assert (await alice.get(f"{RULES}/override/.m.rule.master")).ok() == master


async def test_a_rule_comes_and_goes(alice: Client) -> None:
    path = f"{RULES}/content/nocake"
    assert (await alice.put(path, {"pattern": "cake*lie", "actions": ["notify", "dont_notify"]})).ok() == {}
    rule = {"rule_id": "nocake", "default": False, "enabled": True, "pattern": "cake*lie", "actions": ["notify"]}
    assert (await alice.get(path)).ok() == rule
    assert (await alice.get(f"{RULES}/")).ok()["content"] == [rule]
    assert (await alice.request("DELETE", f"/_matrix/client/v3{path}")).ok() == {}
    (await alice.get(path)).refused(404, "M_NOT_FOUND")
    (await alice.request("DELETE", f"/_matrix/client/v3{path}")).refused(404, "M_NOT_FOUND")


async def test_rules_stand_where_they_are_put(alice: Client) -> None:
    await add(alice, "a")
    await add(alice, "b")
    assert await ids(alice, "override") == ["b", "a"]
    await add(alice, "c", "?after=b")
    assert await ids(alice, "override") == ["b", "c", "a"]
    await add(alice, "a", "?before=b")
    assert await ids(alice, "override") == ["a", "b", "c"]
    await add(alice, "c", "?before=b&after=a")
    assert await ids(alice, "override") == ["a", "c", "b"]
    for query in ("?before=x", "?after=x", "?before=.m.rule.master"):
        answer = await alice.put(f"{RULES}/override/d{query}", {"actions": []})
        answer.refused(400, "M_UNKNOWN")
    assert await ids(alice, "override") == ["a", "c", "b"]


async def test_enabling_and_actions(alice: Client) -> None:
    await add(alice, "mine")
    for rule_id in ("mine", ".m.rule.tombstone"):
        path = f"{RULES}/override/{rule_id}"
        assert (await alice.get(f"{path}/enabled")).ok() == {"enabled": True}
        (await alice.put(f"{path}/enabled", {"enabled": False})).ok()
        assert (await alice.get(f"{path}/enabled")).ok() == {"enabled": False}
        (await alice.put(f"{path}/actions", {"actions": ["notify", {"set_tweak": "sound", "value": "x"}]})).ok()
        actions = {"actions": ["notify", {"set_tweak": "sound", "value": "x"}]}
        assert (await alice.get(f"{path}/actions")).ok() == actions
        assert (await alice.get(path)).ok()["actions"] == actions["actions"]
    await add(alice, "mine")
    assert (await alice.get(f"{RULES}/override/mine/enabled")).ok() == {"enabled": False}


@pytest.mark.parametrize("attribute", ["", "/enabled", "/actions"])
async def test_rules_that_do_not_exist(alice: Client, attribute: str) -> None:
    (await alice.get(f"{RULES}/sender/%40x%3Ay{attribute}")).refused(404, "M_NOT_FOUND")
    if attribute:
        body: object = {"enabled": True} if attribute == "/enabled" else {"actions": []}
        (await alice.put(f"{RULES}/sender/%40x%3Ay{attribute}", body)).refused(404, "M_NOT_FOUND")


@pytest.mark.parametrize(
    ("path", "body", "errcode"),
    [
        ("override/.mine", {"actions": []}, "M_INVALID_PARAM"),
        ("override/a%2Fb", {"actions": []}, "M_INVALID_PARAM"),
        ("override/a%5Cb", {"actions": []}, "M_INVALID_PARAM"),
        ("strange/a", {"actions": []}, "M_INVALID_PARAM"),
        ("room/a", {"actions": []}, "M_INVALID_PARAM"),
        ("sender/a", {"actions": []}, "M_INVALID_PARAM"),
        ("content/a", {"actions": []}, "M_MISSING_PARAM"),
        ("override/a", {}, "M_BAD_JSON"),
        ("override/a", {"actions": ["shout"]}, "M_BAD_JSON"),
        ("override/a", {"actions": [], "conditions": ["x"]}, "M_BAD_JSON"),
    ],
)
async def test_malformed_rules_are_refused(alice: Client, path: str, body: object, errcode: str) -> None:
    (await alice.put(f"{RULES}/{path}", body)).refused(400, errcode)


async def test_default_rules_cannot_be_removed(alice: Client) -> None:
    path = f"/_matrix/client/v3{RULES}/underride/.m.rule.message"
    (await alice.request("DELETE", path)).refused(404, "M_NOT_FOUND")


async def test_everyone_has_rules_of_their_own(alice: Client, bob: Client) -> None:
    await add(alice, "mine")
    assert await ids(bob, "override") == []


async def test_rules_cannot_fill_the_server(alice: Client) -> None:
    conditions = [{"kind": "event_match", "key": "content.body", "pattern": "x" * 300_000}]
    rule = {"actions": [], "conditions": conditions}
    (await alice.put(f"{RULES}/override/1", rule)).ok()
    (await alice.put(f"{RULES}/override/2", rule)).refused(413, "M_TOO_LARGE")


async def test_sync_tells_the_rules_and_every_change(alice: Client) -> None:
    def told(answer: Any) -> list[Any]:
        events = answer.get("account_data", {}).get("events", [])
        return [event["content"] for event in events if event["type"] == "m.push_rules"]

    device = Device(alice)
    assert told(await device.sync()) == [(await alice.get("/pushrules/")).ok()]
    assert told(await device.sync()) == []
    waiting = await device.waiting()
    (await alice.put(f"{RULES}/room/{part(ROOM)}", {"actions": []})).ok()
    (rules,) = told(await waiting)
    assert rules == (await alice.get("/pushrules/")).ok()
    assert [rule["rule_id"] for rule in rules["global"]["room"]] == [ROOM]
    assert told(await Device(alice).sync()) == [rules]
    (await alice.put(f"{RULES}/room/{part(ROOM)}/enabled", {"enabled": True})).ok()
    assert told(await device.sync()) == []


async def test_the_rules_are_account_data_that_clients_can_only_read(alice: Client) -> None:
    path = f"/user/{part(alice.user_id)}/account_data/m.push_rules"
    assert (await alice.get(path)).ok() == (await alice.get("/pushrules/")).ok()
    await add(alice, "mine")
    assert (await alice.get(path)).ok() == (await alice.get("/pushrules/")).ok()
    (await alice.put(path, {})).refused(405, "M_BAD_JSON")


async def test_rules_outlive_a_restart(tmp_path: Path) -> None:
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "restart.db")}}
    async with running(database) as homeserver:
        alice = await homeserver.register("alice")
        await add(alice, "mine", conditions=[{"kind": "room_member_count", "is": ">2"}])
        (await alice.put(f"{RULES}/underride/.m.rule.message/actions", {"actions": []})).ok()
        before = (await alice.get("/pushrules/")).ok()
    async with running(database) as homeserver:
        assert (await alice.at(homeserver.app).get("/pushrules/")).ok() == before
