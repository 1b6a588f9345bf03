"""`GET /capabilities`: what a user may do here. Spec: client-server API, "Capabilities negotiation"."""

from typing import Any, Final

import msgspec

from ranvier.config.model import Config
from ranvier.http.request import Request
from ranvier.http.response import Response, encode_json, json_bytes
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.proto.room_versions import ROOM_VERSIONS

_OF_ADMINS: Final[dict[str, dict[str, Any]]] = {"m.account_moderation": {"suspend": True, "lock": True}}


class Capabilities(msgspec.Struct):
    """The answer."""

    capabilities: dict[str, dict[str, Any]]


class CapabilitiesApi:
    """Follows from the configuration, and from what kind of user asks."""

    def __init__(self, *, config: Config) -> None:
        capabilities = _capabilities(config)
        self._body = encode_json(Capabilities(capabilities))
        self._for_admins = encode_json(Capabilities(capabilities | _OF_ADMINS))
        self._for_guests = encode_json(Capabilities(capabilities | _of_guests(config)))

    def routes(self) -> list[Route]:
        """The module's routes."""
        return routes(
            "GET",
            paths("/capabilities"),
            self.capabilities,
            auth=Auth.USER,
            guest=True,
            answer=Capabilities,
            spec="getCapabilities",
            summary="What the user may do on this server",
        )

    async def capabilities(self, request: Request) -> Response:
        """The same for every user of a kind."""
        requester = request.requester
        if requester.is_guest:
            return json_bytes(self._for_guests)
        return json_bytes(self._for_admins if requester.is_admin else self._body)


def _capabilities(config: Config) -> dict[str, dict[str, Any]]:
    passwords = config.password_config
    fixed = [
        *(() if config.enable_set_displayname else ("displayname",)),
        *(() if config.enable_set_avatar_url else ("avatar_url",)),
    ]
    profile_fields: dict[str, Any] = {"enabled": True}
    if fixed:
        profile_fields["disallowed"] = fixed
    return {
        "m.change_password": {"enabled": passwords.enabled_for_reauth and passwords.localdb_enabled},
        "m.room_versions": {
            "default": config.default_room_version,
            "available": dict.fromkeys(ROOM_VERSIONS, "stable"),
        },
        "m.set_displayname": {"enabled": config.enable_set_displayname},
        "m.set_avatar_url": {"enabled": config.enable_set_avatar_url},
        "m.profile_fields": profile_fields,
        "m.forget_forced_upon_leave": {"enabled": config.forget_rooms_on_leave},
        "m.3pid_changes": {"enabled": config.enable_3pid_changes and config.email is not None},
        "m.get_login_token": {"enabled": config.login_via_existing_session.enabled},
    }


def _of_guests(config: Config) -> dict[str, dict[str, Any]]:
    """Guests have no password, and nothing in their profile but a name."""
    names = ["displayname"] if config.enable_set_displayname else []
    return {
        "m.change_password": {"enabled": False},
        "m.set_avatar_url": {"enabled": False},
        "m.profile_fields": {"enabled": True, "allowed": names} if names else {"enabled": False},
        "m.get_login_token": {"enabled": False},
    }
