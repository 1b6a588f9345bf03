"""The process around a homeserver: it starts, says where it is, follows its files, and stops when it is told to."""

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable

from ranvier.app.homeserver import Homeserver
from ranvier.app.reload import Reloader
from ranvier.app.service_manager import ServiceManager
from ranvier.config.first_steps import first_steps
from ranvier.config.model import Config
from ranvier.log.setup import ProcessLog

logger = logging.getLogger(__name__)


async def serve(config: Config, *, log: ProcessLog | None = None, reread: Callable[[], Config] | None = None) -> None:
    """Run until SIGTERM or SIGINT; then finish what is under way. Raises `DatabaseError` or `ListenError`.

    SIGHUP reads the configuration again by `reread`; without it only what the configuration names.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    manager = ServiceManager(os.environ)
    # Until there is something to reload, the signal must not end the process.
    for number, action in ((signal.SIGTERM, stop.set), (signal.SIGINT, stop.set), (signal.SIGHUP, _not_yet)):
        loop.add_signal_handler(number, action)
    server = await Homeserver.start(config)
    try:
        await server.listen()
        reloader = Reloader(
            config=config,
            reread=reread or (lambda: config),
            prepare=server.prepare_reload,
            log=log or ProcessLog(),
            manager=manager,
        )
        loop.add_signal_handler(signal.SIGHUP, reloader.request)
        gc.freeze()  # Modules, routes and configuration stay as they are: they need not be looked at again and again.
        # For the person at the terminal.
        print(first_steps(config, has_users=await server.has_users()), file=sys.stderr, flush=True)
        logger.info("%s is up", config.server_name)
        manager.ready("Running")
        await stop.wait()
        manager.stopping()
        logger.info("%s is stopping", config.server_name)
        loop.add_signal_handler(signal.SIGHUP, _not_yet)
        await reloader.finish()
    finally:
        await server.close()


def _not_yet() -> None:
    logger.warning("Nothing is reloaded while the server starts or stops")
