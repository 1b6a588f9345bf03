"""What administrators see of other servers."""

import asyncio
from pathlib import Path

from ranvier.federation.destination_status import DestinationStatus
from tests.federation.peers import Place, place
from tests.plays.virtual_loop import run_virtually


def status_of(at: Place) -> DestinationStatus:
    server = at.server
    federation = server.federation
    return DestinationStatus(db=server.db, clock=at.clock, health=federation.health, sender=federation.sender)


def test_servers_and_their_rooms(tmp_path: Path) -> None:
    async def act() -> None:
        async with place(tmp_path) as at:
            assert at.homeserver is not None
            client = await at.homeserver.register("alice")
            rooms = [await at.room(client.user_id, "@u:one.test", "@v:one.test", number=number) for number in range(3)]
            other = await at.room(client.user_id, "@u:two.test", number=9)
            at.peers.down = {"two.test"}
            for room in [*rooms, other]:
                await client.say(room.room_id, "hello")
            began_ms = at.clock.now_ms()
            await asyncio.sleep(120)
            status = status_of(at)
            listed, total = await status.page()
            assert total == 6
            assert [row.destination for row in listed][-2:] == ["one.test", "two.test"]
            one, two = listed[-2:]
            assert (one.retry_interval_ms, one.failure_ts) == (0, None)
            assert one.last_successful_pos is not None and two.last_successful_pos is None
            assert two.retry_interval_ms == 600_000 and two.failure_ts is not None
            assert began_ms < two.failure_ts <= two.retry_last_ts <= at.clock.now_ms()
            assert await status.one("two.test") == two
            assert await status.one("nobody.test") is None and await status.one("\0") is None

            found, number = await status.rooms("one.test", limit=2)
            assert number == 3
            assert [room.room_id for room in found] == sorted(room.room_id for room in rooms)[:2]
            assert all(0 < room.stream_pos <= one.last_successful_pos for room in found)
            assert (await status.rooms("nobody.test"))[1] == 0

            at.peers.down.clear()
            assert status.reset("two.test") and not status.reset("one.test")
            await asyncio.sleep(10)
            assert at.peers.events("two.test") == ["hello"]
            recovered = await status.one("two.test")
            assert recovered is not None and recovered.failure_ts is None

    run_virtually(act())
