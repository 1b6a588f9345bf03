"""A local user joins a room through another server.

Spec: server-server API, "Joining Rooms", `/make_join`, `/send_join`, "Restricted rooms". What the resident server answers
is believed only as far as signatures, hashes and the auth rules carry it.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ranvier.federation.client import RemoteError, Unreachable
from ranvier.federation.gaps import GapError, Gaps
from ranvier.federation.handshake import Handshakes
from ranvier.federation.joins_under_way import JoinsUnderWay
from ranvier.federation.keys import ServerKeys
from ranvier.federation.resident_rooms import ResidentRooms
from ranvier.federation.residents import ask_each
from ranvier.federation.screening import Screened, Screens
from ranvier.proto.errors import MatrixError
from ranvier.proto.events import Event
from ranvier.proto.handshakes.bad_answer import BadAnswer
from ranvier.proto.handshakes.join_answer import JoinAnswer, sound_answer, split_answer
from ranvier.proto.signing import authorising_server
from ranvier.rooms.arrive import Arriving, BadState, ResidentAnswer, TakenIn
from ranvier.rooms.room import Room
from ranvier.store.events import ACCEPTED

SERVER_ERROR: Final = 500


class RemoteJoins:
    """Joins rooms by handshake."""

    def __init__(
        self,
        *,
        handshakes: Handshakes,
        screens: Screens,
        keys: ServerKeys,
        resident: ResidentRooms,
        arriving: Arriving,
        gaps: Gaps,
        under_way: JoinsUnderWay,
    ) -> None:
        self._handshakes = handshakes
        self._screens = screens
        self._keys = keys
        self._resident = resident
        self._arriving = arriving
        self._gaps = gaps
        self._under_way = under_way

    async def join(self, user_id: str, room_id: str, servers: Sequence[str], content: Mapping[str, Any]) -> None:
        """Join with this content of the member event; returns when the room, with the join, is durable here.

        The servers are asked in order. Raises what the client is told: 403, 400, 404 of the other servers, else 502.
        """

        async def through(server: str) -> None:
            template = await self._handshakes.make(server, "join", room_id, user_id)
            sent = self._handshakes.complete(template, content)
            await self._under_way.begin(user_id, room_id, server)
            try:
                answer = await self._handshakes.send(server, "join", sent)
            except Unreachable:
                # It may have let us in, and only its answer has been lost: then it gives it again.
                answer = await self._handshakes.send(server, "join", sent)
            except RemoteError as error:
                if (
                    error.status < SERVER_ERROR
                ):  # Else it, or what stands before it, may have given up on an answer only.
                    await self._under_way.refused(user_id, room_id, server)
                raise
            await self._take_up(server, room_id, split_answer(answer, sent))

        try:
            await ask_each(servers, through)
        except MatrixError:
            await self._under_way.failed(user_id, room_id)
            raise
        except BaseException:
            self._under_way.broken_off(user_id, room_id)
            raise
        await self._under_way.succeeded(user_id, room_id)

    async def _take_up(self, server: str, room_id: str, answer: JoinAnswer) -> None:
        await self._check_authoriser(answer.join)
        room = await self._resident.is_in(room_id)
        if room is None:
            await self._begin(room_id, answer, server)
            return
        try:
            await self._take_into(room, answer.join, server)
        except BadAnswer:
            if await self._resident.is_in(room_id) is not None:
                raise
            # With the events before the join has come that the others of us are not in the room any more.
            await self._begin(room_id, answer, server)

    async def _check_authoriser(self, join: Event) -> None:
        """A join to a restricted room is worth nothing without the signature of who lets the user in."""
        if authorising_server(join) is None:
            return
        (verdict,) = await self._keys.verify_events([join])
        if not verdict.authoriser_signed:
            raise BadAnswer("the server of the authorising user has not signed the join")

    async def _begin(self, room_id: str, answer: JoinAnswer, server: str) -> None:
        join = answer.join
        # Some who have said something in the room may be away: nobody waits for them.
        chain, state = await asyncio.gather(
            self._screens.screen(answer.auth_chain, join.version, room_id=room_id, resident=server),
            self._screens.screen(answer.state, join.version, room_id=room_id, resident=server),
        )
        sound = sound_answer(
            [one.event for one in state.passed],
            [one.event for one in chain.passed],
            join,
            refused={**chain.refused, **state.refused},
        )
        badly_authorised = chain.badly_authorised | state.badly_authorised
        partial = None
        if answer.members_omitted:
            partial = TakenIn(
                joined_via=server, servers=(answer.servers_in_room | {server}) - {self._handshakes.server_name}
            )
        resident = ResidentAnswer(
            state=sound.state,
            auth_chain=sound.auth_chain,
            join=join,
            badly_authorised=badly_authorised,
            partial=partial,
        )
        try:
            await self._arriving.begin(join.version, room_id, resident)
        except BadState as error:
            raise BadAnswer(str(error)) from error

    async def _take_into(self, room: Room, join: Event, server: str) -> None:
        """Others of us are in the room, and none of them could let the user in: only the join is news."""
        try:
            # Of a partially joined room this is all there is to learn: its state is being asked for already.
            stored = await self._gaps.take(room, Screened(join, authoriser_signed=True), [server])
        except GapError as error:
            raise BadAnswer(str(error)) from error
        if stored.status != ACCEPTED:
            raise BadAnswer("the join is not allowed")
