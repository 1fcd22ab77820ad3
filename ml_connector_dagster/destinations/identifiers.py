"""Names in SQL: quoting, and the suffix of a company's own tables. The only place that puts a name into SQL text."""

import hashlib
import re


def quoted(*parts: str) -> str:
    """A name, or a path of names, as a quoted identifier of standard SQL: ``"erp"."suppliers"``."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)


def literal(text: str) -> str:
    """A string literal, for the few statements that take no bound values (comments)."""
    return "'" + text.replace("'", "''") + "'"


def company_suffix(company: str) -> str:
    """The part of a table's name that stands for ``company``; different companies never share one.

    Letters and digits are taken as they are, in lower case: M3's "100" gives ``100``. Any other name is made
    readable and gets a piece of its hash, because databases fold case and ``A-1`` and ``A/1`` look alike then.
    """
    if re.fullmatch(r"[A-Z0-9]+", company):
        return company.lower()
    readable = re.sub(r"[^a-z0-9]+", "_", company.lower()).strip("_")[:40]
    digest = hashlib.md5(company.encode(), usedforsecurity=False).hexdigest()[:8]
    return f"{readable}_{digest}".lstrip("_")
