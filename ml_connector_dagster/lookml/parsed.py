"""LookML files as trees: what they declare, and what they cannot be read for.

lkml parses and does not validate; of a text that is no LookML it raises SyntaxError, IndexError or worse (reference
saas-destinations §3.4).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from ml_connector_dagster.model.errors import MissingDriverError


Block = dict[str, Any]

REFERENCE: Final = re.compile(r"\$\{([^}]*)\}")
_NAME: Final = r'"(?:[^"]|"")+"|`(?:[^`]|``)+`|[A-Za-z_][A-Za-z0-9_]*'
_COLUMN: Final = re.compile(rf"\$\{{TABLE\}}\s*\.\s*({_NAME})")
_LAST: Final = re.compile(rf"(?:^|\.)\s*({_NAME})\s*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something wrong in a file. ``where`` is the thing inside it, like ``view suppliers, dimension name``."""

    file: str
    where: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}: {self.where}" if self.where else self.file
        return f"{place}: {self.message}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """One declaration, and the file it is in."""

    file: str
    block: Block

    @property
    def name(self) -> str:
        return str(self.block.get("name", ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """Everything that files declare. ``models`` and ``manifests`` are whole files, by path."""

    files: frozenset[str]
    views: tuple[Declared, ...]
    explores: tuple[Declared, ...]
    datagroups: tuple[Declared, ...]
    dashboards: tuple[Declared, ...]
    models: Mapping[str, Block] = field(default_factory=dict)
    manifests: Mapping[str, Block] = field(default_factory=dict)


def parse(files: Mapping[str, str]) -> tuple[Tree, list[Problem]]:
    """The tree of ``files`` (path → text), and the files that are not in it."""
    problems: list[Problem] = []
    blocks: dict[str, Block] = {}
    dashboards: list[Declared] = []
    for path, content in files.items():
        try:
            if path.endswith(".dashboard.lookml"):
                dashboards += _dashboards(path, content)
            else:
                blocks[path] = _load(content)
        except MissingDriverError:
            raise
        except (SyntaxError, IndexError, KeyError, TypeError, ValueError, yaml.YAMLError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            problems.append(Problem(file=path, where="", message=f"cannot be read: {reason}"))
    tree = Tree(
        files=frozenset(files),
        views=_declared(blocks, "views"),
        explores=_declared(blocks, "explores"),
        datagroups=_declared(blocks, "datagroups"),
        dashboards=tuple(dashboards),
        models={path: block for path, block in blocks.items() if path.endswith(".model.lkml")},
        manifests={path: block for path, block in blocks.items() if path.endswith("manifest.lkml")},
    )
    return tree, problems


def _load(content: str) -> Block:
    try:
        import lkml
    except ImportError:
        raise MissingDriverError("lkml", "looker") from None
    found: Block = lkml.load(content)
    return found


def _dashboards(path: str, content: str) -> list[Declared]:
    found = yaml.safe_load(content)
    if not isinstance(found, list) or not all(
        isinstance(one, dict) and isinstance(one.get("dashboard"), str) for one in found
    ):
        raise ValueError("a dashboard file is a list, each entry with 'dashboard: NAME'")
    return [Declared(file=path, block={**one, "name": one["dashboard"]}) for one in found]


def _declared(blocks: Mapping[str, Block], kind: str) -> tuple[Declared, ...]:
    return tuple(
        Declared(file=path, block=one)
        for path, block in blocks.items()
        for one in block.get(kind, ())
    )


def references(sql: str) -> Iterator[str]:
    """What ``${…}`` names in SQL, ``TABLE`` excepted."""
    return (name for name in REFERENCE.findall(sql) if name != "TABLE")


def columns(sql: str) -> tuple[str, ...]:
    """Columns of the view's own table in SQL, unquoted, in lower case."""
    return tuple(_bare(name) for name in _COLUMN.findall(sql))


def table_name(path: str) -> str:
    """The table of a ``sql_table_name``: its last part, unquoted, in lower case."""
    found = _LAST.search(path)
    return _bare(found[1]) if found else path.strip().lower()


def _bare(name: str) -> str:
    if name[0] in '"`':
        name = name[1:-1].replace(name[0] * 2, name[0])
    return name.lower()
