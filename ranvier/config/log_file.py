"""The text of a new `<server_name>.log.config`."""

import json

_TEMPLATE = """\
# What is logged, and where to: a configuration of Python's logging,
# https://docs.python.org/3/library/logging.config.html#configuration-dictionary-schema
# SIGHUP makes the server read it again.

version: 1

formatters:
  precise:
    format: '%(asctime)s - %(name)s - %(lineno)d - %(levelname)s - %(request)s - %(message)s'

handlers:
  file:
    class: logging.handlers.TimedRotatingFileHandler
    formatter: precise
    filename: {log_file}
    when: midnight
    backupCount: 3  # besides the file of today
    encoding: utf8

  # Collects a few lines before they are written. Warnings are written at once, everything else within five seconds.
  buffer:
    class: ranvier.log.flushing.PeriodicallyFlushingMemoryHandler
    target: file
    capacity: 10
    flushLevel: 30
    period: 5

  # Standard error; add it to the handlers of root to see the log in the terminal.
  console:
    class: logging.StreamHandler
    formatter: precise

root:
  level: INFO
  handlers: [buffer]

disable_existing_loggers: false
"""


def log_config_text(log_file: str) -> str:
    """A configuration that writes to `log_file` and starts a new file each day."""
    # A JSON string is a YAML string, whatever stands in it.
    return _TEMPLATE.format(log_file=json.dumps(log_file))
