"""Finding the keys for signatures: in memory, in the database, at their server, at notaries, in this order.

Spec: server-server API, "Retrieving server keys"; room version 5, "Signing key validity period". Nobody is asked twice
at the same time, nor over and over for what they do not have.
"""

import asyncio
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from ranvier.federation.fetch_keys import KeyFetch, Notary
from ranvier.federation.known_keys import Found, KeyRing, KnownKeys
from ranvier.ports import Clock
from ranvier.proto.key_documents import LONGEST_VALIDITY_MS

logger = logging.getLogger(__name__)

PAUSE_S: Final = 30.0
"""For how long a server that has answered, without what was needed, is not asked again."""
LONGEST_PAUSE_S: Final = 600.0
"""The same for one that has not answered; it begins with `PAUSE_S` and doubles."""
FEW: Final = 8
"""So many servers are asked themselves before notaries are."""
PATIENCE_S: Final = 45.0
"""How long a search may take in all."""
MOMENT_S: Final = 1.0
"""So long servers have to tell their keys before somebody is asked about them who has told of a room with them in it."""
MAX_PAUSES: Final = 20_000
MAX_SEARCHES: Final = 1_000
"""Servers that are being asked at the same time; beyond that, signatures of unknown servers count as wrong."""

KeyIds = frozenset[str]
Needs = Mapping[KeyIds, int]
"""Signatures of one server: by which keys somebody has signed (any one of them will do), and when at the latest."""


@dataclass(slots=True)
class _Pause:
    until_s: float
    failures: int


class KeyFinder:
    """Looks for keys."""

    def __init__(self, *, known: KnownKeys, fetch: KeyFetch, clock: Clock) -> None:
        self._known = known
        self._fetch = fetch
        self._clock = clock
        self._pauses: dict[str, _Pause] = {}
        self._searches: dict[str, asyncio.Task[None]] = {}

    async def find(self, needs: Mapping[str, Needs], *, patient: bool = False) -> dict[str, KeyRing]:
        """What is known of the servers of `needs`, after having looked for what is missing.

        `patient`: a server that could not be reached lately is asked all the same (it has just sent something).
        """
        rings = await self._known.rings(needs)
        missing = {name: needs[name] for name, ring in rings.items() if _is_missing(ring, needs[name])}
        if missing:
            await self._search(missing, patient=patient)
            rings.update(await self._known.rings(missing))
        return rings

    async def find_vouched(self, needs: Mapping[str, Needs], resident: str) -> dict[str, KeyRing]:
        """As `find`, for what `resident` has told of a room: nobody waits long for those who are away.

        Of servers that do not tell their keys in a moment, and of which no notary does, `resident` is believed about keys
        that nobody knows. That counts here only, and is not remembered.
        """
        rings = await self._known.rings(needs)
        missing = {name: needs[name] for name, ring in rings.items() if _is_missing(ring, needs[name])}
        if not missing:
            return rings
        await self._wait_a_moment(asyncio.ensure_future(self._search(missing, patient=False)))
        rings.update(await self._known.rings(missing))
        silent = {name: missing[name] for name in _left(missing, rings) if name != resident}
        if silent:
            told = _newest(await self._fetch.ask(Notary(resident, {}), _wanted(silent)))
            now_ms = self._clock.now_ms()
            rings |= {name: rings[name].vouched(found.document, now_ms) for name, found in told.items()}
            if told:
                logger.warning("Believing %s about the keys of %s, who do not tell them", resident, sorted(told)[:20])
        left = {name: missing[name] for name in _left(missing, rings)}
        if left:
            await self._search(left, patient=False)
            rings.update(await self._known.rings(left))
        return rings

    async def refresh(self, server_names: Collection[str], *, for_a_moment: bool = False) -> None:
        """Ask these servers for their keys, at least those that have not been asked a moment ago.

        `for_a_moment`: wait no longer than `MOMENT_S` for their answers.
        """
        search = self._search({name: {} for name in server_names}, patient=False, only_direct=True)
        if for_a_moment:
            await self._wait_a_moment(asyncio.ensure_future(search))
        else:
            await search

    async def close(self) -> None:
        """Give up what is under way."""
        searches = set(self._searches.values())
        for search in searches:
            search.cancel()
        await asyncio.gather(*searches, return_exceptions=True)

    def latest_ms(self) -> int:
        """No key can be known to be valid later than this."""
        return self._clock.now_ms() + LONGEST_VALIDITY_MS

    async def _wait_a_moment(self, search: asyncio.Future[None]) -> None:
        """For a search, which goes on after that."""
        try:
            await asyncio.wait((search,), timeout=MOMENT_S)
        finally:
            search.cancel()  # It only waits for those that are tasks of their own.

    async def _search(self, missing: Mapping[str, Needs], *, patient: bool, only_direct: bool = False) -> None:
        wanted = {name: needs for name, needs in missing.items() if name not in self._searches and self._may_ask(name)}
        if wanted and len(self._searches) < MAX_SEARCHES:
            search = asyncio.create_task(
                self._ask(wanted, patient=patient, only_direct=only_direct), name="search for server keys"
            )
            for name in wanted:
                self._searches[name] = search
            search.add_done_callback(lambda done: self._forget(wanted, done))
        waiting = {self._searches[name] for name in missing if name in self._searches}
        if waiting:
            await asyncio.wait(waiting)

    async def _ask(self, wanted: Mapping[str, Needs], *, patient: bool, only_direct: bool) -> None:
        """Ask for all of `wanted`, and remember who had nothing to say."""
        left, silent = dict(wanted), set(wanted)
        asks_notaries = self._fetch.has_notaries and not only_direct
        try:
            async with asyncio.timeout(PATIENCE_S):
                is_many = len(wanted) > FEW and asks_notaries
                if is_many:
                    self._cross_off(left, await self._ask_notaries(left))
                asked = sorted(left)
                answered = await asyncio.gather(*(self._ask_itself(name, patient=patient) for name in asked))
                silent -= {name for name, ring in zip(asked, answered, strict=True) if ring is not None}
                self._cross_off(left, {name: ring for name, ring in zip(asked, answered, strict=True) if ring})
                if left and not is_many and asks_notaries:
                    self._cross_off(left, await self._ask_notaries(left))
        except TimeoutError:
            logger.info("Gave up looking for the keys of %d servers", len(left))
        for name in wanted:
            self._pause(name, failed=name in left and name in silent)

    async def _ask_itself(self, name: str, *, patient: bool) -> KeyRing | None:
        """What is known after the server has answered; `None` if it has not."""
        before = (await self._known.rings((name,)))[name]
        found = await self._fetch.direct(name, patient=patient, is_known=bool(before.keys))
        if found is None:
            return None
        await self._known.learn([found], now_ms=self._clock.now_ms())
        return (await self._known.rings((name,)))[name]

    async def _ask_notaries(self, left: Mapping[str, Needs]) -> Mapping[str, KeyRing]:
        """What is known after the notaries have answered, of those that they know."""
        found = _newest(await self._fetch.from_notaries(_wanted(left)))
        if found:
            await self._known.learn(list(found.values()), now_ms=self._clock.now_ms())
        return await self._known.rings(found)

    def _cross_off(self, left: dict[str, Needs], rings: Mapping[str, KeyRing]) -> None:
        for name, ring in rings.items():
            if not _is_missing(ring, left[name]):
                del left[name]

    def _may_ask(self, name: str) -> bool:
        pause = self._pauses.get(name)
        return pause is None or pause.until_s <= self._clock.monotonic()

    def _pause(self, name: str, *, failed: bool) -> None:
        before = self._pauses.pop(name, None)
        failures = (before.failures if before is not None else 0) + 1 if failed else 0
        pause_s = min(PAUSE_S * 2 ** max(0, min(failures, 10) - 1), LONGEST_PAUSE_S)
        if len(self._pauses) >= MAX_PAUSES:
            self._pauses.pop(next(iter(self._pauses)))
        self._pauses[name] = _Pause(until_s=self._clock.monotonic() + pause_s, failures=failures)

    def _forget(self, wanted: Collection[str], done: asyncio.Task[None]) -> None:
        for name in wanted:
            del self._searches[name]
        if not done.cancelled() and (error := done.exception()) is not None:
            logger.error("A search for server keys has failed", exc_info=error)


def _is_missing(ring: KeyRing, needs: Needs) -> bool:
    return any(not ring.valid(key_ids, at_ms) for key_ids, at_ms in needs.items())


def _left(needs: Mapping[str, Needs], rings: Mapping[str, KeyRing]) -> list[str]:
    return [name for name in needs if _is_missing(rings[name], needs[name])]


def _wanted(left: Mapping[str, Needs]) -> dict[str, dict[str, int]]:
    """The same as notaries are asked: key ids by server, each with the time until which it should be valid."""
    return {
        name: {key_id: at_ms for key_ids, at_ms in needs.items() for key_id in key_ids} for name, needs in left.items()
    }


def _newest(found: Collection[Found]) -> dict[str, Found]:
    """Of several notaries' answers about a server the one that is valid for longest."""
    best: dict[str, Found] = {}
    for each in found:
        name = each.document.server_name
        if name not in best or each.document.valid_until_ts > best[name].document.valid_until_ts:
            best[name] = each
    return best
