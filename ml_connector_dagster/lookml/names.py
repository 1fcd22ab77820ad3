"""Names and texts in LookML. The only place that puts either into a file.

LookML has no escape for ``;;`` in SQL, none for a backslash in a text, and evaluates Liquid in both (reference
saas-destinations §3.4): what could end a value early is refused in names, and taken out of texts.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

from ml_connector_dagster.model.errors import ConfigError


IDENTIFIER: Final = re.compile(r"[a-z][a-z0-9_]*")
_CONNECTION: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")

#: What would be read as more than a part of a name, inside SQL.
_BREAKOUTS: Final = (";;", "${", "{{", "{%", "\n", "\r", "\x00")

#: How words of our names are written for people.
_WORDS: Final = {"id": "ID", "gl": "GL", "vat": "VAT", "po": "PO"}

DialectName = Literal["duckdb", "snowflake", "databricks"]


def identifier(name: str) -> str:
    """``name``, if LookML can have it as the name of a thing; else ConfigError."""
    if not IDENTIFIER.fullmatch(name):
        raise ConfigError(
            f"{name!r} cannot be a name in LookML: use small letters, digits and underscores, a letter first"
        )
    return name


def connection_name(name: str) -> str:
    """A name of a connection, as Looker's administrators choose them; else ConfigError."""
    if not _CONNECTION.fullmatch(name):
        raise ConfigError(
            f"{name!r} cannot be the name of a Looker connection: use letters, digits, '_' and '-', a letter first"
        )
    return name


def text(value: str) -> str:
    """``value`` as a label or a description, in one line."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in value).split())
    for sign, harmless in (("\\", "/"), ('"', "'"), (";;", "; ;"), ("{", "("), ("}", ")")):
        plain = plain.replace(sign, harmless)
    return plain


def label(name: str) -> str:
    """A name of a column or entity, for people: ``supplier_id`` gives ``Supplier ID``."""
    words = [_WORDS.get(word, word) for word in name.strip("_").split("_")]
    return text(" ".join([words[0][:1].upper() + words[0][1:], *words[1:]]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How the database behind Looker's connection writes names and casts to text.

    ``folds``: our plain names are stored in upper case there (Snowflake).
    """

    name: DialectName
    quote: str
    text_type: str
    folds: bool = False

    def path(self, *parts: str) -> str:
        """A quoted path of names: a table, or a column."""
        return ".".join(self._quoted(part, folds=self.folds) for part in parts)

    def table(self, schema: tuple[str, ...], name: str) -> str:
        """A table of a schema. A database before the schema is spelled as it was configured, and not folded."""
        *databases, own = schema
        leading = (self._quoted(one, folds=False) for one in databases)
        return ".".join([*leading, self.path(own, name)])

    def _quoted(self, name: str, *, folds: bool) -> str:
        if any(sign in name for sign in _BREAKOUTS):
            raise ConfigError(
                f"{name!r} cannot stand in LookML's SQL: it holds ';;', '${{', Liquid or a line break. Rename it in the warehouse"
            )
        if folds and re.fullmatch(r"[a-z_][a-z0-9_]*", name):
            name = name.upper()
        return f"{self.quote}{name.replace(self.quote, self.quote * 2)}{self.quote}"


DIALECTS: Final[dict[DialectName, Dialect]] = {
    "duckdb": Dialect(name="duckdb", quote='"', text_type="VARCHAR"),
    "snowflake": Dialect(name="snowflake", quote='"', text_type="VARCHAR", folds=True),
    "databricks": Dialect(name="databricks", quote="`", text_type="STRING"),
}
