"""`federation_metrics_domains`: how old the events are that a server takes and sends."""

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from tests.federation_tls.conftest import Pair

_SENT, _RECEIVED = (f"synapse_federation_last_{which}_pdu_time" for which in ("sent", "received"))


async def _times(pair: Pair) -> dict[tuple[str, str], float]:
    """By metric and server what the second server tells, which watches the first."""
    async with aiohttp.ClientSession() as session, session.get(f"{pair.two.url}/_synapse/metrics") as answer:
        text = await answer.text()
    return {
        (sample.name, sample.labels["server_name"]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name in (_SENT, _RECEIVED)
    }


async def test_times_of_events(pair: Pair) -> None:
    alice, bob, one = pair.alice, pair.bob, pair.one.server_name
    assert await _times(pair) == {}
    room_id = await alice.create_room()
    await bob.join(room_id, one)
    await alice.say(room_id, "from one")
    await bob.wait_for_texts(room_id, ["from one"])
    await bob.say(room_id, "from two")
    await alice.wait_for_texts(room_id, ["from one", "from two"])
    by_text = {event["content"].get("body"): event["origin_server_ts"] / 1000 for event in await bob.history(room_id)}
    expected = {(_RECEIVED, one): by_text["from one"], (_SENT, one): by_text["from two"]}
    found = await _times(pair)
    while found.keys() != expected.keys():  # The answer of the other server may be under way.
        found = await _times(pair)
    assert found == expected
