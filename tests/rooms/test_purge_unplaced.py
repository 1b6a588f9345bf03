"""What was not accepted stands in nobody's timeline, and is deleted with the rest."""

import pytest

from ranvier.rooms import purge_history
from ranvier.rooms.purge_history import Doomed
from ranvier.store.events import REJECTED, SOFT_FAILED
from tests.api.homeserver import Homeserver
from tests.federation.asked import REMOTE, Asked, message
from tests.rooms.remote_room import RemoteRoom


@pytest.mark.parametrize("by_time", [False, True])
async def test_soft_failed_and_rejected_messages_are_deleted(
    homeserver_on_each: Homeserver, monkeypatch: pytest.MonkeyPatch, by_time: bool
) -> None:
    monkeypatch.setattr(purge_history, "PORTION", 2)
    asked, room = Asked(homeserver_on_each), RemoteRoom()
    alice = await homeserver_on_each.register("alice")
    await room.let_in(homeserver_on_each, alice.user_id)
    villain = f"@villain:{REMOTE}"
    joined = room.join(villain)
    ban = room.say("m.room.member", {"membership": "ban"}, prev=[joined], state_key=villain)
    evading = [room.say("m.room.message", message("evading"), prev=[joined], sender=villain) for _ in range(3)]
    stranger = room.say("m.room.message", message("stranger"), prev=[ban], sender=f"@stranger:{REMOTE}")
    room.tip = ban
    said = [room.tell("m.room.message", message(str(number))) for number in range(3)]
    late = room.say("m.room.message", message("late"), prev=[joined], sender=villain)
    stored = await asked.accept(room, joined, ban, *evading, stranger, *said, late)
    statuses = [entry and entry.status for entry in stored]
    assert statuses == [0, 0, *[SOFT_FAILED] * 3, REJECTED, 0, 0, 0, SOFT_FAILED]
    last = stored[-2]
    assert last is not None
    rooms = homeserver_on_each.server.rooms
    doomed = Doomed(before=last.pos or 0, local_too=False)
    if by_time:
        doomed = Doomed(before=1 << 62, older_than_ts=said[2].origin_server_ts, local_too=False)
    assert await rooms.purge_history.purge(room.room_id, doomed) == 6
    count = "SELECT event_id FROM events WHERE key_id IS NULL"
    assert {row[0] for row in await homeserver_on_each.db.all(count)} == {said[2].event_id, late.event_id}
    assert await rooms.purge_history.purge(room.room_id, doomed) == 0
