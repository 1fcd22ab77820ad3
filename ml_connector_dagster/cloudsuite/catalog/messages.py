"""How refusals are told apart where they come as text alone: regular expressions of a catalog, capitals do not count."""

import re
from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator


def _a_pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from None
    return text


Pattern = Annotated[str, AfterValidator(_a_pattern)]


def says(patterns: Iterable[str], text: str) -> bool:
    """Whether one of ``patterns`` is found in ``text``."""
    return any(re.search(pattern, text, re.IGNORECASE) for pattern in patterns)
