"""The process around a homeserver: it starts, says where it is, and stops when it is told to."""

import asyncio
import logging
import signal
import sys

from ranvier.app.homeserver import Homeserver
from ranvier.config.first_steps import first_steps
from ranvier.config.model import Config

logger = logging.getLogger(__name__)


async def serve(config: Config) -> None:
    """Run until SIGTERM or SIGINT; then finish what is under way. Raises `DatabaseError` or `ListenError`."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = await Homeserver.start(config)
    try:
        await server.listen()
        print(first_steps(config, await server.has_users()), file=sys.stderr, flush=True)  # for the person there
        logger.info("%s is up", config.server_name)
        await stop.wait()
        logger.info("%s is stopping", config.server_name)
    finally:
        await server.close()
