"""Builds what shows rooms from outside: aliases, the published directory."""

from dataclasses import dataclass

from ranvier.api.client.directory import DirectoryApi
from ranvier.api.client.public_rooms import PublicRoomsApi
from ranvier.api.client.room_upgrade import RoomUpgradeApi
from ranvier.app.rooms import RoomServices
from ranvier.config.model import Config
from ranvier.http.route import Route
from ranvier.rooms.aliases import Aliases
from ranvier.rooms.directory_rules import DirectoryRules
from ranvier.rooms.public_rooms import PublicRooms
from ranvier.rooms.upgrade import Upgrades


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryServices:
    """What the API modules about rooms seen from outside call."""

    aliases: Aliases
    public_rooms: PublicRooms
    upgrades: Upgrades


def build_directory(*, config: Config, rooms: RoomServices) -> DirectoryServices:
    """Every object about rooms seen from outside."""
    return DirectoryServices(
        aliases=Aliases(
            rooms=rooms.rooms,
            writer=rooms.writer,
            access=rooms.access,
            rules=DirectoryRules(config.alias_creation_rules),
            require_membership=config.require_membership_for_aliases,
        ),
        public_rooms=PublicRooms(
            rooms=rooms.rooms,
            rules=DirectoryRules(config.room_list_publication_rules),
            searchable=config.enable_room_list_search,
        ),
        upgrades=Upgrades(
            rooms=rooms.rooms,
            writer=rooms.writer,
            member_content=rooms.member_content,
            new_rooms=rooms.new_rooms,
            carry_over=rooms.carry_over,
        ),
    )


def directory_routes(*, config: Config, directory: DirectoryServices) -> list[Route]:
    """The routes of these services."""
    return [
        *DirectoryApi(aliases=directory.aliases).routes(),
        *PublicRoomsApi(
            public_rooms=directory.public_rooms,
            server_name=config.server_name,
            without_auth=config.allow_public_rooms_without_auth,
        ).routes(),
        *RoomUpgradeApi(upgrades=directory.upgrades).routes(),
    ]
