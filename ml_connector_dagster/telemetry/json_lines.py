"""Log records as JSON, one a line: for collectors that take what a process writes."""

import json
import logging
from datetime import UTC, datetime


class JsonLines(logging.Formatter):
    """``time``, ``level``, ``logger``, ``message``; of a boundary its name and its facts as fields of their own."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if (name := getattr(record, "boundary", None)) is not None:
            line["boundary"] = name
            facts = getattr(record, "facts", None)
            line |= facts if isinstance(facts, dict) else {"facts": str(facts)}
        if record.exc_info and record.exc_text is None:
            record.exc_text = self.formatException(record.exc_info)
        if record.exc_text:
            line["exception"] = record.exc_text
        return json.dumps(line, ensure_ascii=False, default=str)
