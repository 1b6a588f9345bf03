"""Who is asking."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Masquerade:
    """Whom an application service says it acts for: the `user_id` and `device_id` of the query string."""

    user_id: str | None
    device_id: str | None


@dataclass(frozen=True, slots=True)
class Requester:
    """The authenticated origin of a client request."""

    user_id: str
    device_id: str | None
    """`None` for tokens that belong to no device (application services, admin puppets)."""
    token_nid: int | None
    """The access token's number in the store."""
    is_guest: bool = False
    is_admin: bool = False
    shadow_banned: bool = False
    locked: bool = False
    expired: bool = False
    """Whether the account has ended (`account_validity`)."""
    suspended: bool = False
    appservice_id: str | None = None
    puppeted_by: str | None = None
    """The user (an admin, an application service's own) who acts as this one."""

    @property
    def by_server(self) -> bool:
        """Whether this server does something in the user's name that no client has asked for."""
        return self.token_nid is None and self.appservice_id is None

    @property
    def log_name(self) -> str:
        """Who did it, for the log: `@admin:example.org|@alice:example.org` where one acts as another."""
        return self.user_id if self.puppeted_by is None else f"{self.puppeted_by}|{self.user_id}"
