"""No change of a device list is missed, whatever happens at the same time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from ranvier.db.engine import Database, DatabaseError, Tx
from ranvier.e2ee.device_lists import DeviceLists
from ranvier.store import device_lists as store
from ranvier.sync.encryption import EncryptionSections
from ranvier.sync.feed import Feed
from ranvier.sync.query import SyncQuery
from ranvier.sync.token import SyncToken
from tests.api.homeserver import Homeserver
from tests.e2ee.person import Person


async def test_news_that_come_while_a_sync_looks(
    homeserver: Homeserver, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looking for news waits for the database now and then; what came meanwhile was told when the time was up."""
    await alice.sync()
    await alice.settle()
    look = EncryptionSections.may_have_news
    meanwhile = [alice.publish]

    async def slow(sections: EncryptionSections, query: SyncQuery, feed: Feed, since: SyncToken) -> bool:
        found = await look(sections, query, feed, since)
        while meanwhile:
            await meanwhile.pop()()
        return found

    monkeypatch.setattr(EncryptionSections, "may_have_news", slow)
    async with asyncio.timeout(10):
        told = await alice.sync(timeout="60000")
    assert told["device_lists"]["changed"] == [alice.user_id]


async def test_the_last_of_changes_that_meet_stays(homeserver: Homeserver) -> None:
    """On PostgreSQL the one with the smaller position may be the later to write."""
    async with homeserver.db.write() as tx:
        for position in (7, 5):
            await store.save(tx, "@a:ranvier.test", position)
            await store.save_signed(tx, "@a:ranvier.test", "@b:ranvier.test", position)
    assert await store.last_change(homeserver.db, "@a:ranvier.test") == 7
    assert await store.changes(homeserver.db, "@a:ranvier.test", [], 6) == {"@a:ranvier.test": 7, "@b:ranvier.test": 7}


async def test_a_listener_that_fails_holds_up_nothing(homeserver: Homeserver) -> None:
    lists = await DeviceLists.load(homeserver.db)
    told = []

    async def listen(user_id: str, position: int) -> None:
        told.append(user_id)
        if len(told) == 1:
            raise LookupError("a listener has failed")

    lists.on_changed.append(listen)
    with pytest.raises(LookupError):
        async with lists.transaction() as change:
            await change.changed("@a:ranvier.test")
            await change.changed("@b:ranvier.test")
    assert told == ["@a:ranvier.test", "@b:ranvier.test"]
    assert lists.positions.committed == lists.positions.given_out


async def test_a_commit_of_which_nobody_knows_whether_it_happened(
    homeserver: Homeserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is kept in memory of the user is to be looked up again."""
    lists = await DeviceLists.load(homeserver.db)
    write = homeserver.db.write

    @asynccontextmanager
    async def lost(db: Database) -> AsyncIterator[Tx]:
        async with write() as tx:
            yield tx
        raise DatabaseError("the connection was lost")

    told = []

    async def listen(user_id: str, position: int) -> None:
        told.append(user_id)

    lists.on_changed.append(listen)
    monkeypatch.setattr(type(homeserver.db), "write", lost)
    with pytest.raises(DatabaseError):
        async with lists.transaction() as change:
            await change.changed("@a:ranvier.test")
    assert told == ["@a:ranvier.test"]
