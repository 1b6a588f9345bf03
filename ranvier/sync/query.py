"""What a client asks of `/sync`, after its parameters and filter have been read."""

from dataclasses import dataclass, field

from ranvier.proto.filters import Filter
from ranvier.sync.token import SyncToken
from ranvier.users.device_presence import PresenceName


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncQuery:
    """One request, by one device."""

    user_id: str
    device_id: str | None
    since: SyncToken | None
    timeout_ms: int = 0
    full_state: bool = False
    filter: Filter = field(default_factory=Filter)
    filter_key: str = ""
    """Equal for equal filters: what is built for one client can be used for another."""
    timeline_limit: int = 10
    state_after: str | None = None
    """The key for the state at the end of the timeline (`state_after`), if the client wants that instead of `state`."""

    set_presence: PresenceName = "online"
    """How present the request makes the user; `offline`: it changes nothing."""

    @property
    def lazy_members(self) -> bool:
        """Whether only the members that matter are wanted."""
        return self.filter.room.state.lazy_load_members
