"""Builds what the server itself says to its users."""

from ranvier.app.accounts import UserServices
from ranvier.app.rooms import RoomServices
from ranvier.config.model import Config
from ranvier.proto.room_versions import ROOM_VERSIONS
from ranvier.rooms.notice_rooms import NoticeRooms
from ranvier.rooms.server_notices import ServerNotices


async def build_notices(*, config: Config, users: UserServices, rooms: RoomServices) -> ServerNotices | None:
    """`None` where the configuration has no `server_notices`."""
    section, sender = config.server_notices, config.notices_user_id
    if section is None or sender is None:
        return None
    notices = ServerNotices(
        config=section,
        sender=sender,
        rooms=rooms.rooms,
        writer=rooms.writer,
        notice_rooms=NoticeRooms(
            config=section,
            sender=sender,
            version=ROOM_VERSIONS[config.default_room_version],
            rooms=rooms.rooms,
            writer=rooms.writer,
            new_rooms=rooms.new_rooms,
            member_content=rooms.member_content,
            tags=users.tags,
        ),
        memberships=rooms.memberships,
        accounts=users.administration.accounts,
        profiles=users.profiles,
    )
    await notices.begin()
    return notices
