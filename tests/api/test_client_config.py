"""Filters and account data: what clients keep for themselves."""

from tests.api.asgi import Client, in_room, part


def of(client: Client) -> str:
    return f"/user/{part(client.user_id)}"


async def test_filters_come_back_as_they_were(alice: Client, bob: Client) -> None:
    definition = {"room": {"timeline": {"limit": 3, "types": ["m.room.*"]}}, "org.example.more": 1}
    filter_id = (await alice.post(of(alice) + "/filter", definition)).ok()["filter_id"]
    assert not filter_id.startswith("{")
    assert (await alice.get(f"{of(alice)}/filter/{filter_id}")).ok() == definition
    assert (await alice.post(of(alice) + "/filter", definition)).ok()["filter_id"] == filter_id
    (await bob.get(f"{of(alice)}/filter/{filter_id}")).refused(403, "M_FORBIDDEN")
    (await alice.get(f"{of(alice)}/filter/99")).refused(404, "M_NOT_FOUND")
    (await alice.get(f"{of(alice)}/filter/nonsense")).refused(404, "M_NOT_FOUND")
    (await alice.post(of(alice) + "/filter", {"room": 1})).refused(400, "M_BAD_JSON")
    (await alice.post(of(alice) + "/filter", {"presence": {"types": "x"}})).refused(400, "M_BAD_JSON")


async def test_account_data(alice: Client, bob: Client) -> None:
    path = of(alice) + "/account_data/org.example.x"
    (await alice.get(path)).refused(404, "M_NOT_FOUND")
    (await alice.put(path, {"a": [1, {"b": None}]})).ok()
    assert (await alice.get(path)).ok() == {"a": [1, {"b": None}]}
    (await bob.get(path)).refused(403, "M_FORBIDDEN")
    (await bob.put(path, {})).refused(403, "M_FORBIDDEN")
    (await alice.put(path, [])).refused(400, "M_BAD_JSON")
    (await alice.put(of(alice) + "/account_data/m.fully_read", {})).refused(405, "M_BAD_JSON")


async def test_account_data_of_a_room(alice: Client) -> None:
    room_id = await alice.create_room()
    path = f"{of(alice)}{in_room(room_id)}/account_data/m.tag"
    (await alice.put(path, {"tags": {}})).ok()
    assert (await alice.get(path)).ok() == {"tags": {}}
    (await alice.get(of(alice) + "/account_data/m.tag")).refused(404, "M_NOT_FOUND")
    (await alice.put(f"{of(alice)}/rooms/nowhere/account_data/m.tag", {})).refused(400, "M_INVALID_PARAM")
