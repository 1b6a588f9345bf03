"""`server_notices` and `templates`, as typed objects."""

import os
from dataclasses import dataclass
from typing import Final

from ranvier.config.values import Values
from ranvier.proto.ids import is_user_id

_SECTION: Final = "server_notices"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerNoticesConfig:
    """`server_notices`: who tells users what the server has to say, and where."""

    localpart: str
    display_name: str
    avatar_url: str | None
    room_name: str
    room_avatar_url: str | None
    room_topic: str | None
    auto_join: bool


def build_server_notices(values: Values) -> ServerNoticesConfig | None:
    """`server_notices`; `None` where the file has none."""
    if not values.is_written(_SECTION):
        return None
    localpart = values.text_or_none(f"{_SECTION}.system_mxid_localpart")
    if localpart is None:
        values.error(_SECTION, "needs system_mxid_localpart")
        return None
    if not is_user_id(f"@{localpart}:{values.text_or_none('server_name')}"):
        values.error(f"{_SECTION}.system_mxid_localpart", "is not the first part of a user id, such as notices")
    return ServerNoticesConfig(
        localpart=localpart,
        display_name=values.text(f"{_SECTION}.system_mxid_display_name"),
        avatar_url=_avatar(values, f"{_SECTION}.system_mxid_avatar_url"),
        room_name=values.text(f"{_SECTION}.room_name"),
        room_avatar_url=_avatar(values, f"{_SECTION}.room_avatar_url"),
        room_topic=values.text_or_none(f"{_SECTION}.room_topic"),
        auto_join=values.boolean(f"{_SECTION}.auto_join"),
    )


def build_template_folder(values: Values) -> str | None:
    """`templates.custom_template_directory`."""
    option = "templates.custom_template_directory"
    folder = values.text_or_none(option)
    if folder is not None and not os.path.isdir(folder):
        values.error(option, f"there is no folder {folder}")
    return folder


def _avatar(values: Values, option: str) -> str | None:
    url = values.text_or_none(option)
    if url is not None and not url.startswith("mxc://"):
        values.error(option, "expected an mxc:// URI")
    return url
