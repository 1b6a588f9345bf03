"""Who is where: rooms, half of them encrypted, with members of all servers."""

import asyncio
import random

from tests.soak.person import Person

MEMBERS = 12


async def settle(people: dict[str, list[Person]], *, rooms: int, chance: random.Random) -> None:
    """Register everybody, by their servers' names, make rooms on each server in turn, and bring everybody into some."""
    for server_people in people.values():
        await asyncio.gather(*(person.register() for person in server_people))
    for number in range(rooms):
        host = list(people)[number % len(people)]
        await _settle_room(people, host=host, number=number, chance=chance)
    everybody = [person for server_people in people.values() for person in server_people]
    homes = [(room_id, person) for person in everybody for room_id in person.rooms]
    for person in everybody:
        if not person.rooms:
            room_id, neighbour = chance.choice(homes)
            await _join(person, room_id, via=neighbour.user_id.partition(":")[2])
            if room_id in neighbour.encrypted:
                person.encrypted.add(room_id)


async def _settle_room(people: dict[str, list[Person]], *, host: str, number: int, chance: random.Random) -> None:
    owner = chance.choice(people[host])
    is_encrypted = number % 2 == 1
    encryption = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}
    content = {
        "preset": "public_chat",
        "name": f"Room {number}",
        "initial_state": [encryption] if is_encrypted else [],
        "power_level_content_override": {"events": {"soak.note": 0}},
    }
    room_id: str = (await owner.insist("createRoom", "POST", "/createRoom", content))["room_id"]
    owner.rooms.append(room_id)
    # Somebody of each server, and others by chance.
    others = [chance.choice([one for one in there if one is not owner]) for there in people.values()]
    crowd = [one for there in people.values() for one in there if one is not owner and one not in others]
    members = [owner, *others, *chance.sample(crowd, MEMBERS - len(others) - 1)]
    for person in members[1:]:
        await _join(person, room_id, via=host)
    if is_encrypted:
        for person in members:
            person.encrypted.add(room_id)


async def _join(person: Person, room_id: str, *, via: str) -> None:
    # Servers that know other names of the parameter find the room, too.
    await person.insist("join", "POST", f"/join/{room_id}?via={via}&server_name={via}", {})
    person.rooms.append(room_id)
