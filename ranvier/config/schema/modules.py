"""Options: extension modules."""

from ranvier.config.kinds import LIST, OBJECT, STRING
from ranvier.config.option import Option

NO_MODULES = (
    "modules are Python classes that call another server's inside (its module API, database and web framework), of which "
    "there is nothing here. Admin API, policy servers and application services do from outside what most of them do"
)

OPTIONS = (
    Option("modules", LIST, [], "Extension modules to load, in priority order", not_applicable=NO_MODULES),
    Option(
        "modules[].module",
        STRING,
        None,
        "Class implementing the module",
        required=True,
        not_applicable=NO_MODULES,
    ),
    Option("modules[].config", OBJECT, {}, "Passed to the module's parse_config()", not_applicable=NO_MODULES),
)
