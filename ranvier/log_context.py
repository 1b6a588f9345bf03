"""What every log record may show about the work it belongs to: the id of the request being served.

The HTTP layer sets it at the start of a request; tasks started from there inherit it. Formatters show it as
`%(request)s` by way of a log filter.
"""

from contextvars import ContextVar

current_request: ContextVar[str] = ContextVar("current_request", default="-")
"""The id of the request being served (`GET-1000`), or `-` outside of requests."""
