"""Scenarios around accounts and rooms: the floor, registering, making rooms, joining."""

from bench.measure import Operation, Scenario
from bench.target import Target


async def _versions(target: Target) -> Operation:
    return lambda _: target.ask("GET", "/_matrix/client/versions")


async def _whoami(target: Target) -> Operation:
    person = await target.person()
    return lambda _: person.ask("GET", "/account/whoami")


async def _register(target: Target) -> Operation:
    return lambda _: target.person()


async def _create_room(target: Target) -> Operation:
    person = await target.person()
    return lambda number: person.create_room(name=f"Room {number}")


def joining(operations: int, rounds: int, warm_up: int) -> Scenario:
    """One after the other into one room; all who join are registered before."""

    async def prepare(target: Target) -> Operation:
        room_id = await (await target.person()).create_room()
        people = [await target.person() for _ in range(operations * rounds + warm_up)]
        return lambda number: people[number].join(room_id)

    return Scenario("join", prepare, operations, warm_up=warm_up)


def scenarios(rounds: int) -> list[Scenario]:
    """All of them."""
    return [
        Scenario("versions", _versions, 300, warm_up=30),
        Scenario("whoami", _whoami, 300, warm_up=30),
        Scenario("whoami, 8 at once", _whoami, 600, at_once=8, warm_up=30),
        Scenario("register", _register, 20),
        Scenario("createRoom", _create_room, 15),
        joining(20, rounds, 3),
    ]
