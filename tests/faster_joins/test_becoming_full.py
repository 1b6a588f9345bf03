"""A room becomes full while history is taken in whose state was about to be guessed: nothing of it is lost."""

import asyncio

from tests.faster_joins.stage import CHARLIE, DEREK, Stage, staged

PAGE = 100
"""How many events of history are asked for at once."""


@staged()
async def test_history_comes_although_the_room_becomes_full_meanwhile(s: Stage) -> None:
    room = s.room(members=[DEREK])
    said = [room.say(str(number), sender=CHARLIE) for number in range(PAGE + 20)]
    said.append(room.say("derek, whom nobody has told of", sender=DEREK))
    await s.join_partially(room)
    s.resident.hold("event_auth")
    reading = asyncio.create_task(s.shown(room))
    await s.pause(1)
    assert s.resident.asked("event_auth") and not reading.done()
    s.release()
    await s.until_full(room)
    s.resident.release("event_auth")
    shown = await reading
    assert shown[1:] == [event.event_id for event in reversed(said)][: PAGE - 1]
