"""What is wrong in a file, and where: one line per problem, all of them at once."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ml_connector_dagster.model.errors import ConfigError


#: A place inside a YAML document: keys, and positions in lists.
KeyPath = tuple[str | int, ...]

#: A value is shown up to this many characters.
SHOWN = 60


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Place:
    """A line of a file."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing to put right. ``path`` () is the file as a whole."""

    place: Place
    path: KeyPath
    message: str

    def __str__(self) -> str:
        where = f"{rendered(self.path)}: " if self.path else ""
        return _one_line(f"{self.place}: {where}{self.message}")


def rendered(path: KeyPath) -> str:
    """``flows.erp.destinations[0].schema``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{_one_line(part)}" if text else _one_line(part)
    return text


def shown(value: object) -> str:
    """A value for a message: quoted, on one line, cut when long."""
    text = repr(value) if isinstance(value, str) else _one_line(str(value))
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def did_you_mean(word: str, options: Iterable[str]) -> str:
    """``; did you mean 'schema'?`` when an option is near, else ``; one of: …`` when the options are few."""
    known = sorted(options)
    lowered = {option.casefold(): option for option in known}
    near = difflib.get_close_matches(word.casefold(), lowered, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {lowered[near[0]]!r}?"
    if 0 < len(known) <= 16:
        return f"; one of: {', '.join(known)}"
    return ""


def nearest_place(places: Mapping[KeyPath, Place], path: KeyPath) -> Place:
    """Where ``path`` stands, or the innermost thing around it that is written down."""
    while path and path not in places:
        path = path[:-1]
    return places[path]


def as_error(problems: Iterable[Problem]) -> ConfigError:
    """One error of all ``problems``, a line each, in file and line order, without repetitions."""
    ordered = sorted(dict.fromkeys(problems), key=lambda one: (one.place, str(one)))
    return ConfigError("\n".join(dict.fromkeys(str(problem) for problem in ordered)))


def _one_line(text: str) -> str:
    """Names and values come from a file that may hold anything; a problem is one line that can be printed."""
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )
