"""Whether events and objects are signed by the servers that they are said to come from.

Spec: server-server API, "Validating hashes and signatures on received events"; room version 5, "Signing key validity
period". The checks of a batch run in a thread, in slices: most of their time is spent without the GIL.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any, Final, TypeVar

import msgspec

from ranvier.federation.find_keys import KeyFinder, KeyIds
from ranvier.federation.known_keys import KeyRing
from ranvier.federation.own_keys import OwnKeys
from ranvier.proto.event_receipt import ReceivedEvent, received
from ranvier.proto.events import Event
from ranvier.proto.ids import is_server_name
from ranvier.proto.signing import (
    SignatureError,
    authorising_server,
    check_json,
    check_signatures,
    required_signers,
    signatures_by,
    signatures_of,
)

MAX_SIGNATURES: Final = 8
"""Of one server on one object; more are not looked at."""
INLINE: Final = 16
"""So many events are checked on the event loop: a hop to a thread would not pay."""
SLICE: Final = 256
"""So many are checked in one go."""
BREATH: Final = 256
"""After so many the event loop may do something else."""

T = TypeVar("T")


class Verdict(msgspec.Struct, frozen=True):
    """What the signatures of an event are worth."""

    error: str | None
    """Why the event must be dropped, for people; `None`: it need not be."""
    authoriser_signed: bool
    """Whether the server of `join_authorised_via_users_server` has signed it; true where there is none."""


class _Claimed(msgspec.Struct):
    """The signatures of one server that an event must have, or may."""

    server_name: str
    signatures: Mapping[str, str]
    at_ms: int | None
    is_authoriser: bool


class _Job(msgspec.Struct):
    """One event to check."""

    signed: bytes
    claims: list[_Claimed]


class ServerKeys:
    """Checks signatures."""

    def __init__(self, *, own: OwnKeys, finder: KeyFinder, uses_thread: bool = True) -> None:
        """`uses_thread=False` is for plays, in which nothing may depend on the machine."""
        self._own = own
        self._finder = finder
        self._uses_thread = uses_thread

    async def verify_events(self, events: Sequence[Event]) -> list[Verdict]:
        """As `verify_received`, of events that have been received before."""
        return await self.verify_received([received(event) for event in events])

    async def verify_received(self, events: Sequence[ReceivedEvent], *, resident: str | None = None) -> list[Verdict]:
        """The verdict on each event, in order. Looks for all missing keys at once; never raises for what is in them.

        `resident`: the server that has told of them, to be asked for keys of those who are away (`find_vouched`).
        """
        jobs: list[_Job] = []
        needs: dict[str, dict[KeyIds, int]] = {}
        latest_ms = self._finder.latest_ms()
        for event in events:
            job = _Job(event.signed, _claims(event))
            jobs.append(job)
            self._add_needs(needs, job.claims, latest_ms)
            if len(jobs) % BREATH == 0:
                await asyncio.sleep(0)
        if resident is not None:
            rings = await self._finder.find_vouched(needs, resident)
        else:
            rings = await self._finder.find(needs) if needs else {}
        if len(jobs) <= INLINE:
            return self._judge(jobs, rings)
        verdicts: list[Verdict] = []
        remaining = iter(jobs)
        while batch := list(islice(remaining, SLICE)):
            verdicts += await self._aside(partial(self._judge, batch, rings))
        return verdicts

    async def verify_json(self, server_name: str, value: Mapping[str, Any], *, at_ms: int | None) -> None:
        """Whether the server has signed the object, with a key that was valid then (`None`: at any time).

        Raises `SignatureError`.
        """
        signatures = _few(signatures_of(value, server_name))
        keys = await self.valid_keys(server_name, frozenset(signatures), at_ms=at_ms)
        by_server = {server_name: signatures}
        check_json({**value, "signatures": by_server}, server_name, keys)

    async def valid_keys(
        self, server_name: str, key_ids: KeyIds, *, at_ms: int | None, patient: bool = False
    ) -> dict[str, bytes]:
        """The public keys of the server with these ids that may sign at that time, as far as they can be found.

        `patient`: the server has just sent something, and may be asked even if it could not be reached before.
        """
        if server_name == self._own.server_name:
            return self._own.valid(key_ids, at_ms)
        if not key_ids or not is_server_name(server_name):
            return {}
        rings = await self._finder.find(
            {server_name: {key_ids: _reachable(at_ms, self._finder.latest_ms())}}, patient=patient
        )
        return rings[server_name].valid(key_ids, at_ms)

    def _add_needs(self, needs: dict[str, dict[KeyIds, int]], claims: Sequence[_Claimed], latest_ms: int) -> None:
        for claim in claims:
            if claim.signatures and claim.server_name != self._own.server_name:
                of_server = needs.get(claim.server_name)
                if of_server is None:
                    if not is_server_name(claim.server_name):
                        continue
                    of_server = needs[claim.server_name] = {}
                key_ids = frozenset(claim.signatures)
                of_server[key_ids] = max(of_server.get(key_ids, 0), _reachable(claim.at_ms, latest_ms))

    def _judge(self, jobs: Sequence[_Job], rings: Mapping[str, KeyRing]) -> list[Verdict]:
        """Runs in a thread: touches nothing that changes."""
        return [self._verdict(job, rings) for job in jobs]

    def _verdict(self, job: _Job, rings: Mapping[str, KeyRing]) -> Verdict:
        wrong: str | None = None
        authoriser_signed = True
        for claim in job.claims:
            try:
                check_signatures(job.signed, claim.signatures, self._keys_for(claim, rings), claim.server_name)
            except SignatureError as error:
                if claim.is_authoriser:
                    authoriser_signed = False
                else:
                    wrong = str(error)
        return Verdict(wrong, authoriser_signed)

    def _keys_for(self, claim: _Claimed, rings: Mapping[str, KeyRing]) -> dict[str, bytes]:
        if claim.server_name == self._own.server_name:
            return self._own.valid(claim.signatures, claim.at_ms)
        ring = rings.get(claim.server_name)
        return {} if ring is None else ring.valid(claim.signatures, claim.at_ms)

    async def _aside(self, work: Callable[[], T]) -> T:
        if self._uses_thread:
            return await asyncio.to_thread(work)
        await asyncio.sleep(0)
        return work()


def _claims(received: ReceivedEvent) -> list[_Claimed]:
    """Whose signatures the event must have, and whether the one that lets its sender in is among them."""
    event, given = received.event, received.signatures
    at_ms = event.origin_server_ts if event.version.enforce_key_validity else None
    claims = [
        _Claimed(server_name, _few(signatures_by(given, server_name)), at_ms, is_authoriser=False)
        for server_name in sorted(required_signers(event))
    ]
    authoriser = authorising_server(event)
    if authoriser is not None:
        claims.append(_Claimed(authoriser, _few(signatures_by(given, authoriser)), at_ms, is_authoriser=True))
    return claims


def _few(signatures: dict[str, str]) -> dict[str, str]:
    return signatures if len(signatures) <= MAX_SIGNATURES else dict(islice(signatures.items(), MAX_SIGNATURES))


def _reachable(at_ms: int | None, latest_ms: int) -> int:
    """For when a key is looked for. Nobody has one for a time far ahead; then any is as good, to say so."""
    return at_ms if at_ms is not None and 0 <= at_ms <= latest_ms else 0
