"""Masks secrets in any text: by value those that this process knows, by shape those that it does not.

Whatever reads or receives a secret calls ``register``; whatever shows or keeps text of unsure origin calls ``redact``, or
logs through a handler with a ``RedactingFilter``. Too much masked is better than too little.
"""

import json
import logging
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from threading import Lock
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from ml_connector_dagster.credentials.disguises import Disguises, masked
from ml_connector_dagster.model.secrets import MASK, Secret


#: Shorter values are not looked for: they would mask ordinary words.
SHORTEST = 6

#: The newest this many are looked for; a process that renews tokens for years stays fast.
MAX_SECRETS = 500

_STRONG_KEY = (
    r"access_token|refresh_token|id_token|client_secret|private_key|api_?key|x-api-key|passphrase|"
    r"client_assertion|assertion|sask|saak"
)
_WEAK_KEY = (
    r"password|passwd|pwd|secret|token"  # ordinary words too: masked only before "=" or a quote
)
_ESCAPES = r"\\{0,7}"  # of a text inside a text; every repetition is bounded or possessive
_QUOTED = rf"""(?P<quote>{_ESCAPES}["'])(?:(?!(?P=quote))(?:\\.|[^\\]))*+"""
_BARE = r"""[^\s&"']++"""

#: What is kept is group 1 (the key, the scheme); the rest of the match is masked.
_SHAPES = tuple(
    re.compile(pattern, re.IGNORECASE | re.DOTALL)
    for pattern in (
        # Authorization: Bearer …, also in a dict ('authorization': 'Basic …') or a list of pairs.
        rf"""(authorization(?:{_ESCAPES}["']?\s*[:=]\s*|{_ESCAPES}["']\s*,\s*)(?:b?{_ESCAPES}["'])?"""
        r"""(?:(?:bearer|basic|digest|token|negotiate|snowflake|apikey)\s+)?)[^\s"'\\]+""",
        r"(\bbearer\s+)[A-Za-z0-9._~+/=-]{16,}",
        # "client_secret": "…", password='…', and "cs": "…" as in an .ionapi file.
        rf"""((?<![\w-])[\w-]{{0,40}}(?:{_STRONG_KEY}|{_WEAK_KEY}){_ESCAPES}["']?\s*[:=]\s*){_QUOTED}""",
        rf"""(["']cs{_ESCAPES}["']\s*:\s*){_QUOTED}""",
        rf"""((?<![\w-])[\w-]{{0,40}}(?:{_STRONG_KEY}){_ESCAPES}["']?[ \t]*[:=][ \t]*){_BARE}""",
        rf"""((?<![\w-])[\w-]{{0,40}}(?:{_WEAK_KEY})(?:[ \t]*=[ \t]*|{_ESCAPES}["']\s*:\s*)){_BARE}""",
        r"(://[^/\s:@]{0,200}:)[^/\s@]++(?=@)",
        r"()(?<![\w-])eyJ[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?",
        r"()-----BEGIN [^-\n]{1,40}-----.*?(?:-----END [^-\n]{1,40}-----|\Z)",
    )
)


class Redactor:
    """Knows secrets, and masks them. Safe to share between threads."""

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        self._lock = Lock()
        self._known: OrderedDict[str, Disguises] = OrderedDict()
        self._all: tuple[Disguises, ...] = ()
        for secret in secrets:
            self.register(secret)

    def register(self, secret: Secret) -> None:
        """Mask ``secret`` from now on, and, when it is a file (.ionapi, a key), the secrets inside it."""
        with self._lock:
            for part in secret_parts(secret.reveal()):
                self._known[part] = self._known.get(part) or Disguises.of(part)
                self._known.move_to_end(part)
            while len(self._known) > MAX_SECRETS:
                self._known.popitem(last=False)
            self._all = tuple(self._known.values())

    def redact(self, text: str) -> str:
        """``text`` with every known secret, and whatever has the shape of one, masked."""
        text = masked(text, self._all)
        for shape in _SHAPES:
            text = shape.sub(_keep_key, text)
        return text


def _keep_key(found: re.Match[str]) -> str:
    quote = found.groupdict().get("quote") or ""
    return f"{found[1]}{quote}{MASK}"


def secret_parts(value: str) -> tuple[str, ...]:
    """What to look for: the value, the secret fields of a JSON object, the lines of a key file."""
    parts = [value, value.strip()]
    fields = _secret_fields(value)
    if fields is None:
        parts += [line.strip() for line in value.splitlines() if len(line.strip()) >= 16]
    else:
        parts += fields
    return tuple(
        part for part in dict.fromkeys(parts) if len(part) >= SHORTEST and set(part) != {"*"}
    )


def _secret_fields(value: str) -> list[str] | None:
    """The strings under keys that name a secret; None when ``value`` is no JSON object."""
    if not value.lstrip().startswith("{"):
        return None
    try:
        content = json.loads(value)
    except (ValueError, RecursionError):
        return None
    return [text for key, text in _leaves(content) if _SECRET_FIELD.fullmatch(key)]


_SECRET_FIELD = re.compile(rf"cs|[\w-]*(?:{_STRONG_KEY}|{_WEAK_KEY})", re.IGNORECASE)


def _leaves(value: object, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, dict):
        for inner, child in value.items():
            yield from _leaves(child, inner)
    elif isinstance(value, list):
        for child in value:
            yield from _leaves(child, key)


class RedactingFilter(logging.Filter):
    """Put it on a *handler*: a logger's filter does not see what its children log."""

    def __init__(self, redactor: Redactor | None = None) -> None:
        super().__init__()
        self._redactor = _PROCESS if redactor is None else redactor

    def filter(self, record: logging.LogRecord) -> bool:
        """Masks message, arguments, extra fields and exception; never drops a record.

        What holds no secret stays as it is: some formatters read the arguments, or the exception itself.
        """
        redact = self._redactor.redact
        for name, value in list(vars(record).items()):
            if name != "msg" and (isinstance(value, str) or name not in _STANDARD_FIELDS):
                setattr(record, name, _redacted_arg(value, redact))
        record.args = _redacted_args(record.args, redact)
        message = _message(record)
        if redact(message) != message:
            record.msg, record.args = redact(message), ()
        if record.exc_info:
            text = logging.Formatter().formatException(record.exc_info)
            if redact(text) != text:
                # Without exc_info no handler formats the exception again; all of them print exc_text.
                record.exc_text, record.exc_info = redact(text), None
        return True


_STANDARD_FIELDS = frozenset(vars(logging.makeLogRecord({})))


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):
        # logging would print the arguments to stderr, past this filter.
        record.msg, record.args = f"{record.msg} (its arguments do not fit)", ()
        return record.getMessage()


def _redacted_args(args: object, redact: Callable[[str], str]) -> Any:
    if isinstance(args, tuple):
        return tuple(_redacted_arg(arg, redact) for arg in args)
    if isinstance(args, Mapping):
        return {key: _redacted_arg(arg, redact) for key, arg in args.items()}
    return args


def _redacted_arg(arg: object, redact: Callable[[str], str]) -> object:
    """The argument itself when nothing in it is secret, so that %d and %r go on working."""
    text = arg if isinstance(arg, str) else repr(arg)
    if redact(text) == text and (isinstance(arg, str) or redact(str(arg)) == str(arg)):
        return arg
    return redact(arg if isinstance(arg, str) else str(arg))


_PROCESS = Redactor()


def register(secret: Secret) -> None:
    """Mask ``secret`` in whatever this process redacts from now on."""
    _PROCESS.register(secret)


def register_url(url: str) -> None:
    """Mask the passwords that the URL of a database holds: before its host, or in its query.

    One that is the user's name is no secret, and may be a word of ours ("dagster").
    """
    with suppress(ValueError):  # no URL: whoever opens it says so
        parts = urlsplit(url)
        for password in (unquote(parts.password or ""), *parse_qs(parts.query).get("password", ())):
            if password != parts.username:
                register(Secret(password))


def redact(text: str) -> str:
    """``text`` without the secrets that this process knows, and without what has the shape of one."""
    return _PROCESS.redact(text)
