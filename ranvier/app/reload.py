"""SIGHUP: the configuration is read again, and what can change under way comes into force; all of it, or nothing.

First everything is read and tried beside what is in use (files, certificates, the log's configuration), then put in its
place at once: nothing of that can fail, and no request waits for it.
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable
from pathlib import Path

from ranvier.app.service_manager import ServiceManager
from ranvier.config.changes import changes_between
from ranvier.config.load import ConfigError
from ranvier.config.model import Config
from ranvier.log.setup import LogConfigError, ProcessLog

logger = logging.getLogger(__name__)

Put = Callable[[], None]
"""Puts something in its place that has been tried; does not fail."""


class CannotReload(Exception):
    """Why nothing was reloaded; for the operator."""


class Reloader:
    """Reloads one server, one time after the other."""

    def __init__(
        self,
        *,
        config: Config,
        reread: Callable[[], Config],
        prepare: Callable[[Config], list[Put]],
        log: ProcessLog,
        manager: ServiceManager,
    ) -> None:
        """`config` is as it was at the start: what cannot be reloaded is compared with it.

        `reread` reads the files again, in a thread; it raises `ConfigError`. `prepare` tries what the server has to
        load, in a thread; it raises `CannotReload`.
        """
        self._config = self._in_force = config
        self._reread = reread
        self._prepare = prepare
        self._log = log
        self._manager = manager
        self._digests = _digests(config)
        self._running: asyncio.Task[None] | None = None
        self._again = False

    def request(self) -> None:
        """Reload, or, if that is going on, once more afterwards."""
        if self._running is not None and not self._running.done():
            self._again = True
            return
        self._running = asyncio.get_running_loop().create_task(self._run(), name="reload")

    async def finish(self) -> None:
        """Wait for what is under way."""
        if self._running is not None:
            await self._running

    async def _run(self) -> None:
        self._again = True
        while self._again:
            self._again = False
            self._manager.reloading()
            status = await self._reload()
            self._manager.ready(status)

    async def _reload(self) -> str:
        """Try, and say in the log what came of it; the same for the service manager."""
        try:
            fresh = await asyncio.to_thread(self._reread)
            digests = await asyncio.to_thread(_digests, fresh)
            puts = await asyncio.to_thread(self._prepare, fresh)
            log_changed = self._change_log(fresh)
        except ConfigError as error:
            return self._refused("; ".join(error.errors))
        except CannotReload as error:
            return self._refused(str(error))
        except Exception as error:
            logger.exception("Nothing was reloaded")
            return f"Running; nothing was reloaded: {error}"
        for put in puts:
            put()
        reloaded = list(changes_between(self._in_force, fresh).reloaded)
        self._in_force = fresh
        others = [name for name, digest in digests.items() if digest != self._digests.get(name)]
        for name in [*others, *(["log_config"] if log_changed else [])]:
            if name not in reloaded:
                reloaded.append(f"{name} (what is in the file)")
        self._digests = digests
        self._report(reloaded, changes_between(self._config, fresh).need_restart, fresh.warnings)
        return "Running; reloaded"

    def _change_log(self, fresh: Config) -> bool:
        try:
            return self._log.set_up(fresh.log_config)
        except LogConfigError as error:
            raise CannotReload(f"{fresh.place_of('log_config')}{error}") from error

    def _refused(self, reason: str) -> str:
        logger.error("Nothing was reloaded: %s", reason)
        return f"Running; nothing was reloaded: {reason}"

    def _report(self, reloaded: list[str], need_restart: tuple[str, ...], warnings: tuple[str, ...]) -> None:
        for warning in warnings:
            if warning not in self._config.warnings:
                logger.warning("%s", warning)
        if need_restart:
            logger.warning("In force only after a restart: %s", ", ".join(need_restart))
        logger.info("Reloaded. Changed: %s", ", ".join(reloaded) or "nothing")


def _digests(config: Config) -> dict[str, bytes]:
    """By option what the certificate files hold that it names, in short; what cannot be read is empty."""
    certificates = [path for path in (config.tls_certificate_path, config.tls_private_key_path) if path is not None]
    authorities = config.federation.custom_ca_paths
    return {
        option: b"".join(_digest(path) for path in paths)
        for option, paths in (("tls_certificate_path", certificates), ("federation_custom_ca_list", authorities))
    }


def _digest(path: str) -> bytes:
    try:
        return hashlib.sha256(Path(path).read_bytes()).digest()
    except OSError:
        return b""
