"""The process around a homeserver: it starts, says where it is, and stops when it is told to."""

import asyncio
import gc
import logging
import signal
import sys

from ranvier.app.homeserver import Homeserver
from ranvier.config.first_steps import first_steps
from ranvier.config.model import Config
from ranvier.log.setup import LogConfigError, set_up_log

logger = logging.getLogger(__name__)


async def serve(config: Config) -> None:
    """Run until SIGTERM or SIGINT; then finish what is under way. Raises `DatabaseError` or `ListenError`."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = await Homeserver.start(config)
    loop.add_signal_handler(signal.SIGHUP, _reload, config, server)
    try:
        await server.listen()
        gc.freeze()  # Modules, routes and configuration stay as they are: they need not be looked at again and again.
        # For the person at the terminal.
        print(first_steps(config, has_users=await server.has_users()), file=sys.stderr, flush=True)
        logger.info("%s is up", config.server_name)
        await stop.wait()
        logger.info("%s is stopping", config.server_name)
    finally:
        await server.close()


def _reload(config: Config, server: Homeserver) -> None:
    """SIGHUP: read the log configuration and the certificates again. What cannot be read stays as it was."""
    try:
        set_up_log(config.log_config)
        server.reload_certificates()
    except (LogConfigError, OSError, ValueError) as error:  # ssl.SSLError is an OSError
        logger.warning("Nothing was reloaded: %s", error)
    else:
        logger.info("Read the log configuration and the certificates again")
