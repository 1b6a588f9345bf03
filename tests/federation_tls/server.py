"""A homeserver process that federates over TLS: a listener with a certificate that a private authority has issued."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import trustme

from tests.services.homeserver import HomeserverProcess
from tests.services.ports import free_port


@dataclass(frozen=True, slots=True)
class Certificates:
    """The files that every server of a test is configured with."""

    authority: Path
    certificate: Path
    key: Path


def issue(folder: Path) -> Certificates:
    """A new authority, and a certificate of this machine's names from it."""
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    files = Certificates(folder / "authority.pem", folder / "certificate.pem", folder / "key.pem")
    authority.cert_pem.write_to_path(str(files.authority))
    issued.private_key_pem.write_to_path(str(files.key))
    for part in issued.cert_chain_pems:
        part.write_to_path(str(files.certificate), append=True)
    return files


class FederatingServer(HomeserverProcess):
    """Clients reach it at `url` without TLS, other servers at its name with TLS."""

    def __init__(self, folder: Path, certificates: Certificates, *, host: str, options: Mapping[str, object]) -> None:
        self._federation_port = free_port()
        self.server_name = f"{host}:{self._federation_port}"
        self._certificates = certificates
        database: dict[str, object] = {"name": "sqlite3", "args": {"database": str(folder / "homeserver.db")}}
        super().__init__(folder, database, dict(options))

    def _default_options(self) -> dict[str, object]:
        plenty = {"per_second": 10_000, "burst_count": 10_000}
        listener = {"type": "http", "bind_addresses": ["127.0.0.1"]}
        return super()._default_options() | {
            "server_name": self.server_name,
            "public_baseurl": f"{self.url}/",
            "tls_certificate_path": str(self._certificates.certificate),
            "tls_private_key_path": str(self._certificates.key),
            "federation_custom_ca_list": [str(self._certificates.authority)],
            "federation_ip_range_blacklist": [],
            "ip_range_blacklist": [],
            # A server that was down for a moment is tried again before the test gives up.
            "federation": {"destination_min_retry_interval": "1s", "destination_max_retry_interval": "2s"},
            "rc_room_creation": plenty,
            "rc_federation": {"window_size": 1000, "sleep_limit": 10_000, "reject_limit": 10_000, "concurrent": 100},
            "suppress_key_server_warning": True,
            "listeners": [
                {"port": self.port, **listener, "resources": [{"names": ["client", "metrics"], "compress": False}]},
                {
                    "port": self._federation_port,
                    "tls": True,
                    **listener,
                    "resources": [{"names": ["federation"], "compress": False}],
                },
            ],
        }
