"""Records that know the request they belong to, so that `%(request)s` can always be shown."""

import logging

from ranvier.log_context import current_request


class RequestRecord(logging.LogRecord):
    """A log record with `request`: the id of the request being served where it was made, or `-`."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # passed through as they came
        self.request = current_request.get()


class RequestFilter(logging.Filter):
    """Lets everything pass and sees to it that `request` is there, also in records from other factories."""

    def __init__(self, name: str = "", request: str | None = None) -> None:
        """`request` stands for the id outside of requests."""
        super().__init__(name)
        self._outside = request

    def filter(self, record: logging.LogRecord) -> bool:
        request = getattr(record, "request", None) or current_request.get()
        record.request = self._outside if self._outside and request == "-" else request
        return True
