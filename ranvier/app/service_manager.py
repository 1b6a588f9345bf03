"""What systemd is told about the process: `Type=notify`, sd_notify(3)."""

import os
import socket
import time
from collections.abc import Mapping


class ServiceManager:
    """Whoever started the process and wants to know how it does; mostly nobody."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """`NOTIFY_SOCKET` is where to send to: a path, or with `@` a name in the abstract namespace."""
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = f"\0{address[1:]}" if address.startswith("@") else address

    def ready(self, status: str) -> None:
        """The server answers; also after a reload."""
        self._tell("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """The configuration is being read again; `ready` follows."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """The server finishes what is under way."""
        self._tell("STOPPING=1")

    def _tell(self, *lines: str) -> None:
        if not self._address:
            return
        message = "\n".join(line.replace("\n", " ") for line in lines)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
                sending.setblocking(False)
                sending.sendto(message.encode(), os.fsencode(self._address))
        except OSError:
            # Nobody listens any more. The server does its work all the same.
            self._address = ""
