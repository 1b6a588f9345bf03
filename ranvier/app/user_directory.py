"""Builds the user directory."""

from dataclasses import dataclass

from ranvier.api.client.user_directory import UserDirectoryApi
from ranvier.app.rooms import RoomServices
from ranvier.config.model import Config
from ranvier.http.route import Route
from ranvier.ports import Clock
from ranvier.rooms.directory_index import DirectoryIndex
from ranvier.rooms.directory_rebuild import POPULATE, DirectoryRebuild
from ranvier.rooms.user_search import UserSearch
from ranvier.users.background_updates import BackgroundUpdates


@dataclass(frozen=True, slots=True, kw_only=True)
class UserDirectoryServices:
    """What is searched, and what keeps it up to date."""

    index: DirectoryIndex
    routes: list[Route]


def build_user_directory(
    *, config: Config, clock: Clock, rooms: RoomServices, updates: BackgroundUpdates
) -> UserDirectoryServices:
    """The index hears what rooms commit, and can be made anew as a background update."""
    index = DirectoryIndex(
        rooms=rooms.rooms, clock=clock, server_name=config.server_name, committed_pos=rooms.appender.committed_pos
    )
    rooms.appender.steps.append(index.step)
    rooms.appender.listeners.append(index.on_commit)
    updates.define(POPULATE, DirectoryRebuild(rooms=rooms.rooms, index=index).update)
    updates.define_job("regenerate_directory", POPULATE)
    search = UserSearch(rooms=rooms.rooms, index=index, clock=clock, config=config.user_directory)
    return UserDirectoryServices(index=index, routes=UserDirectoryApi(search=search).routes())
