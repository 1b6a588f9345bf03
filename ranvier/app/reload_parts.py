"""What of a running server follows a configuration that is read again, part by part."""

from collections.abc import Callable, Mapping

from ranvier.app.reload import CannotReload, Put
from ranvier.config.cache_sections import CacheSizes
from ranvier.config.model import Config
from ranvier.http.listeners import HttpListeners, tls_context
from ranvier.net.transport import NetTransport
from ranvier.ratelimit import RateLimiter, rates_of
from ranvier.rooms.rooms import Rooms
from ranvier.users.sessions import Sessions


def prepare_parts(
    fresh: Config,
    *,
    transport: NetTransport | None,
    listeners: HttpListeners | None,
    limiters: Mapping[str, RateLimiter],
    rooms: Rooms,
    sessions: Sessions,
) -> list[Put]:
    """Load what has to be loaded; what puts it in its place. Raises `CannotReload`. May be called in a thread."""
    puts = [_limits(fresh, limiters), _caches(fresh.cache_sizes, rooms, sessions)]
    if listeners is not None and listeners.use_tls_files:
        puts.append(_certificate(fresh, listeners))
    if transport is not None:
        puts.append(_trust(fresh, transport))
    return puts


def _limits(fresh: Config, limiters: Mapping[str, RateLimiter]) -> Put:
    rates = rates_of(fresh)

    def put() -> None:
        for name, rate in rates.items():
            limiters[name].change(rate)

    return put


def _caches(sizes: CacheSizes, rooms: Rooms, sessions: Sessions) -> Put:
    def put() -> None:
        rooms.cache.resize(sizes.events)
        rooms.size = sizes.rooms
        sessions.size = sizes.sessions

    return put


def _certificate(fresh: Config, listeners: HttpListeners) -> Put:
    certificate, key = fresh.tls_certificate_path or "", fresh.tls_private_key_path or ""
    try:
        context = tls_context(certificate, key)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise CannotReload(f"{fresh.place_of('tls_certificate_path')}{certificate} with {key}: {error}") from error
    return lambda: listeners.use_tls(context)


def _trust(fresh: Config, transport: NetTransport) -> Callable[[], None]:
    try:
        return transport.prepare_trust(fresh.federation)
    except (OSError, ValueError) as error:
        raise CannotReload(f"{fresh.place_of('federation_custom_ca_list')}{error}") from error
