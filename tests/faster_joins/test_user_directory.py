"""Members of rooms elsewhere are found as soon as they are known."""

from tests.faster_joins.stage import CHARLIE, DEREK, Stage, staged


async def found(s: Stage, term: str) -> list[str]:
    """Ids of who is found, by whoever has an account here."""
    client = s.alice
    await s.ours.user_directory.index.write()
    await s.ours.user_directory.index._write_rooms()
    answer = (await client.post("/user_directory/search", {"search_term": term})).ok()
    return [one["user_id"] for one in answer["results"]]


@staged()
async def test_scenario_61_members_are_found_when_they_are_known(s: Stage) -> None:
    room = s.room(members=[DEREK])
    await s.join_partially(room)
    name = DEREK.partition(":")[0]
    before = await found(s, name)
    assert DEREK not in before
    s.release()
    await s.until_full(room)
    assert DEREK in await found(s, name)
    assert CHARLIE in await found(s, CHARLIE.partition(":")[0])
