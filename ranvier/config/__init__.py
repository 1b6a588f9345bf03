"""The typed configuration of a homeserver: `Config`, and `parse`, `from_yaml_text` and `load`, which make one.

The options are Synapse's, so that its files work here; `schema/` is their table.
"""

from ranvier.config.load import ConfigError, from_yaml_text, load, parse
from ranvier.config.model import Config
from ranvier.config.rates import RateLimit
from ranvier.config.sections import Listener, Resource

__all__ = ["Config", "ConfigError", "Listener", "RateLimit", "Resource", "from_yaml_text", "load", "parse"]
