"""Keeps secrets out of logs: headers and members that carry them, and the service's own."""

import json
import logging
import re
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

HIDDEN = "[hidden]"

_NAMES = (
    r"authorization|proxy-authorization|cookie|set-cookie|"
    r"x-amz-(?:security-token|signature|credential|content-sha256)|"
    r"(?:aws_?)?secret_?(?:access_?)?key|(?:s3output)?(?:volume)?(?:encryption)?kms_?key(?:_?id)?|"
    # any word that ends so; of bounded length, or a long one would be searched from each of its letters
    r"[a-z0-9]{0,40}(?:password|passwd|passphrase|secret|token)"
)
#: A name, what stands between, and its value: a header, a member of JSON or of a dict, a parameter, a variable.
_NAMED = re.compile(
    rf"(?P<name>(?<![a-z0-9])(?:{_NAMES})[\"']?\s*(?:[:=]|=>)\s*(?:b?[\"'])?)"
    r"(?P<value>(?:(?:bearer|basic|aws4-hmac-sha256)\s+)?[^\s\"'&,;)}\]]+"
    r"(?:,\s*(?:SignedHeaders|Signature)=[^\s\"'&,)}\]]+)*)",
    re.IGNORECASE,
)
#: Schemes of credentials, wherever they stand.
_SCHEMES = re.compile(
    r"\b(?P<scheme>Bearer|Basic)\s+(?P<value>[A-Za-z0-9._~+/=-]{6,})|"
    r"\b(?P<signature>AWS4-HMAC-SHA256)\s+Credential=\S+(?:,?\s*(?:SignedHeaders|Signature)=\S+)*"
)
_KMS_KEYS = re.compile(r"arn:aws[\w-]*:kms:[\w:/.-]+")
_USER_INFO = re.compile(r"(?P<scheme>\b[a-z][a-z0-9+.-]*://)[^/\s:@]+:[^/\s@]+@", re.IGNORECASE)


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Return a text with what looks like a credential hidden, and the given secrets wherever they stand."""
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    text = _NAMED.sub(lambda found: f"{found['name']}{HIDDEN}", text)
    text = _SCHEMES.sub(lambda found: f"{found['scheme'] or found['signature']} {HIDDEN}", text)
    return _USER_INFO.sub(rf"\g<scheme>{HIDDEN}@", _KMS_KEYS.sub(HIDDEN, text))


class RedactingFormatter(logging.Formatter):
    """Formats records, tracebacks included, without their secrets.

    Args:
        form: the format of a line.
        secrets: texts that are hidden wherever they stand.
    """

    def __init__(self, form: str, secrets: Iterable[str] = ()) -> None:
        super().__init__(form)
        self._secrets = tuple(secrets)

    def format(self, record: logging.LogRecord) -> str:
        """Return a record's lines."""
        return redact(super().format(record), self._secrets)


class JsonFormatter(RedactingFormatter):
    """Formats each record as one line of JSON: what every record has, and the members of its `fields`.

    Args:
        who: the member `process`.
        secrets: texts that are hidden wherever they stand.
    """

    def __init__(self, who: str, secrets: Iterable[str] = ()) -> None:
        super().__init__("%(message)s", secrets)
        self._who = who

    def format(self, record: logging.LogRecord) -> str:
        """Return a record's line; `message` holds its traceback, if it has one."""
        fields: Mapping[str, Any] = getattr(record, "fields", {})
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "process": self._who,
            "logger": record.name,
            "message": super().format(record),
            **{name: redact(value) if isinstance(value, str) else value for name, value in fields.items()},
        }
        return json.dumps(line, ensure_ascii=False)


def set_up_logging(
    who: str, secrets: Iterable[str] = (), level: int = logging.INFO, *, as_json: bool = False
) -> None:
    """Send this process's log to stderr, redacted; for the main function of a process.

    Args:
        who: stands in each line.
        secrets: texts that are hidden wherever they stand.
        level: of what is logged.
        as_json: whether each line is a JSON object.
    """
    text = RedactingFormatter(f"%(asctime)s {who} %(levelname)s %(name)s: %(message)s", secrets)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(who, secrets) if as_json else text)
    logging.basicConfig(level=level, handlers=[handler])
