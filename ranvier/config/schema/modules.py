"""Options: extension modules."""

from ranvier.config.kinds import LIST, OBJECT, STRING
from ranvier.config.option import Option

OPTIONS = (
    Option("modules", LIST, [], "Extension modules to load, in priority order"),
    Option("modules[].module", STRING, None, "Class implementing the module", required=True),
    Option("modules[].config", OBJECT, {}, "Passed to the module's parse_config()"),
)
