"""A server that its administrators have closed to all clients.

Spec: client-server API, "Common error codes" (`M_RESOURCE_LIMIT_EXCEEDED`). Configuration: `hs_disabled`.
"""

from dataclasses import dataclass

from ranvier.config.model import Config
from ranvier.proto.errors import MatrixError


@dataclass(frozen=True, slots=True)
class Blocking:
    """Why nobody is served, and whom to ask."""

    message: str
    admin_contact: str | None

    @classmethod
    def of(cls, config: Config) -> "Blocking | None":
        """What the configuration says; None where everybody is served."""
        return cls(config.hs_disabled_message, config.admin_contact) if config.hs_disabled else None

    def error(self) -> MatrixError:
        """403 `M_RESOURCE_LIMIT_EXCEEDED`."""
        contact = {} if self.admin_contact is None else {"admin_contact": self.admin_contact}
        return MatrixError(
            403, "M_RESOURCE_LIMIT_EXCEEDED", self.message, extra={"limit_type": "hs_disabled", **contact}
        )
