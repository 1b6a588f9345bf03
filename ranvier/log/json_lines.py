"""Log records as lines of JSON."""

import json
import logging
from datetime import UTC, datetime

_KNOWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "request"}


class JsonFormatter(logging.Formatter):
    """`log` (the message), `namespace`, `level`, `request`, the exception, and whatever `extra` held; no time."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(self.fields(record), default=str, ensure_ascii=False, separators=(",", ":"))

    def fields(self, record: logging.LogRecord) -> dict[str, object]:
        """What the line says."""
        fields: dict[str, object] = {
            "log": record.getMessage(),
            "namespace": record.name,
            "level": record.levelname,
            "request": getattr(record, "request", "-"),
        }
        if record.exc_info and record.exc_info[0] is not None:
            fields["exc_type"] = record.exc_info[0].__name__
            fields["exc_value"] = str(record.exc_info[1])
            fields["traceback"] = self.formatException(record.exc_info)
        fields.update({key: value for key, value in vars(record).items() if key not in _KNOWN})
        return fields


class TerseJsonFormatter(JsonFormatter):
    """The same with `time`, in seconds."""

    def fields(self, record: logging.LogRecord) -> dict[str, object]:
        return {**super().fields(record), "time": round(record.created, 2)}


class GcpJsonFormatter(JsonFormatter):
    """The same with the names that Google's collector reads: `severity`, `message`, `time`."""

    def fields(self, record: logging.LogRecord) -> dict[str, object]:
        fields = super().fields(record)
        moment = datetime.fromtimestamp(record.created, UTC).isoformat()
        return {"message": fields.pop("log"), "severity": fields.pop("level"), "time": moment, **fields}
