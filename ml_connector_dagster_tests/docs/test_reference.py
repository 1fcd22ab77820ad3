"""What the documentation says is so: generated pages are current, names and links exist, examples load and run."""

import importlib.util
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

import click
import duckdb
import pytest
import typer

from ml_connector_dagster.cli.app import app
from ml_connector_dagster.cloudsuite.catalog.m3 import load_m3_catalog
from ml_connector_dagster.cloudsuite.catalog.routes import ExportRoute, ListRoute
from ml_connector_dagster.cloudsuite.product_lines.registry import registered
from ml_connector_dagster.config.json_schema import project_json_schema
from ml_connector_dagster.config.loading import load_project
from ml_connector_dagster.config.settings import read_settings
from ml_connector_dagster.destinations.duckdb import DatabaseFile, DuckDBDestination
from ml_connector_dagster.marts import MARTS
from ml_connector_dagster.model.entities import ENTITIES, SYSTEM_COLUMNS
from ml_connector_dagster.sandbox.admin import _ROUTES
from ml_connector_dagster.sandbox.faults import FaultKind


ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "ml_connector_dagster"
REFERENCE = ROOT / "docs" / "reference"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


@cache
def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "generate_reference", ROOT / "scripts" / "generate_reference.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _text(name: str) -> str:
    return (REFERENCE / name).read_text(encoding="utf-8")


def _blocks(language: str) -> Iterator[tuple[str, str]]:
    """(page, text) of every fenced block of ``language``."""
    for page, name in zip(PAGES, NAMES, strict=True):
        text = page.read_text(encoding="utf-8")
        for block in re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            yield name, block


def _without_blocks(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


# --- Generated pages --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["commands.md", "configuration.md", "entities.md", "flows.schema.json", "marts.md"],
)
def test_generated_pages_are_up_to_date(name: str) -> None:
    assert _text(name) == _generator().pages()[name], "run: make docs"


def test_every_entity_and_column_is_documented() -> None:
    text = _text("entities.md")
    for entity in ENTITIES.values():
        section = text.split(f"\n## {entity.name}\n")[1].split("\n## ")[0]
        for column in entity.columns:
            assert f"| `{column.name}` |" in section
    for column in SYSTEM_COLUMNS:
        assert f"| `{column.name}` |" in text


def test_every_yaml_key_is_documented() -> None:
    text = _text("configuration.md")
    definitions = project_json_schema()["$defs"]
    keys = {key for one in definitions.values() for key in one.get("properties", {})}
    assert [key for key in sorted(keys) if f"| `{key}` |" not in text] == []


def test_every_environment_variable_is_documented() -> None:
    read = re.compile(r"""(?:environ(?:ment)?|given)(?:\.get\(|\.setdefault\(|\[)\s*"([A-Z_]+)""")
    found = {
        name
        for file in PACKAGE.rglob("*.py")
        for name in read.findall(file.read_text(encoding="utf-8"))
    }
    assert {"ML_CONNECTOR_HOME", "ML_CONNECTOR_KEY", "DAGSTER_PG_URL"} <= found
    assert [
        name for name in sorted(found) if f"| `{name}` |" not in _text("configuration.md")
    ] == []


def test_every_command_and_option_is_documented() -> None:
    text = _text("commands.md")
    for path, command in _commands():
        section = text.split(f"\n## {' '.join(path)}\n")[1].split("\n## ")[0]
        for parameter in command.params:
            shown = parameter.opts[0] if isinstance(parameter, click.Option) else parameter.name
            assert str(shown).lower() in section.lower()
        assert "|  |\n" not in section, "an option or argument without a word of help"


def test_every_metadata_key_check_and_tag_is_documented() -> None:
    text = _text("dagster.md")
    names = {
        name
        for file in ("extractions.py", "deliveries.py")
        for name in re.findall(
            r'"([a-z_]+|dagster/row_count)": ', (PACKAGE / "defs" / file).read_text()
        )
    }
    names |= set(re.findall(r'"(ml_connector/\w+)"', (PACKAGE / "defs" / "names.py").read_text()))
    names |= set(
        re.findall(r'^[A-Z_]+ = "(\w+)"', (PACKAGE / "defs" / "checks.py").read_text(), re.M)
    )
    names -= {"day"}  # a dimension of the partitions
    assert {"rows_read", "row_count"} <= names
    assert [name for name in sorted(names) if f"`{name}`" not in text] == []


# --- Hand-written pages -----------------------------------------------------------------------------------------------


def test_the_page_on_rights_names_every_program_and_table_of_the_catalog() -> None:
    text = (ROOT / "docs" / "how-to" / "connect-m3.md").read_text(encoding="utf-8")
    named: set[str] = set()
    for catalog in load_m3_catalog().entities.values():
        for route in catalog.routes.values():
            if isinstance(route, ExportRoute):
                named |= {route.table, *(lookup.table for lookup in route.lookups)}
            elif isinstance(route, ListRoute):
                named |= {route.program, route.transaction}
                for further in (*route.complete, *route.children):
                    named |= {further.program, further.transaction}
                    many = getattr(further, "many", None)
                    named |= set() if many is None else {many.transaction}
                if route.changed_between and route.changed_between.transaction:
                    named.add(route.changed_between.transaction)
    assert [name for name in sorted(named) if name not in text] == []


def test_the_page_on_the_sandbox_names_every_route_and_fault() -> None:
    text = (ROOT / "docs" / "how-to" / "sandbox-in-ci.md").read_text(encoding="utf-8")
    missing = [path for path, _, _ in _ROUTES if path.split("/{")[0] not in text]
    missing += [kind for kind in FaultKind.__args__ if f"`{kind}`" not in text]
    assert missing == []


@pytest.mark.parametrize("name", NAMES)
def test_every_relative_link_leads_somewhere(name: str) -> None:
    page = ROOT / name
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", _without_blocks(page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = page if not path else (page.parent / path).resolve()
        if not file.exists() or (anchor and anchor not in _anchors(file)):
            broken.append(target)
    assert broken == []


@cache
def _anchors(file: Path) -> frozenset[str]:
    headings = re.findall(
        r"^#+ (.+)$", _without_blocks(file.read_text(encoding="utf-8")), re.MULTILINE
    )
    return frozenset(
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_test_that_is_named_is_where_the_link_leads(name: str) -> None:
    page = ROOT / name
    named = re.findall(r"\[`(test_\w+)`\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
    for test, path in named:
        assert f"def {test}(" in (page.parent / path).read_text(encoding="utf-8")
    assert named or name != "README.md"


@pytest.mark.parametrize("name", NAMES)
def test_no_page_knows_this_machine(name: str) -> None:
    assert not re.search(r"/work/|/home/|/root/|/tmp/", (ROOT / name).read_text(encoding="utf-8"))


# --- Examples ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "block"), [one for one in _blocks("yaml") if "connections:" in one[1]]
)
def test_every_flow_file_loads(name: str, block: str, tmp_path: Path) -> None:
    del name
    (tmp_path / "catalogs").mkdir()
    (tmp_path / "catalogs" / "acme.yaml").write_text("")
    flows = tmp_path / "flows.yaml"
    flows.write_text(block, encoding="utf-8")
    settings = read_settings({"ML_CONNECTOR_HOME": str(tmp_path / "home")})
    assert load_project(flows, settings).flows


@pytest.mark.parametrize(
    ("name", "block"),
    [one for one in _blocks("yaml") if one[1].startswith(("entities:", "product_line:"))],
)
def test_every_catalog_file_loads(name: str, block: str, tmp_path: Path) -> None:
    del name
    override = tmp_path / "acme.yaml"
    override.write_text(block, encoding="utf-8")
    line = re.match(r"product_line: (\w+)", block)
    registered("m3" if line is None else line[1]).catalog(override)


def test_every_schedule_that_is_shown_is_one(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "how-to" / "schedule-and-backfill.md").read_text(encoding="utf-8")
    shown = re.findall(r"`(schedule: \{[^`]*\})`", text)
    assert len(shown) >= 5
    _, example = next(one for one in _blocks("yaml") if "schedule:" in one[1])
    for position, line in enumerate(shown):
        flows = tmp_path / f"{position}.yaml"
        flows.write_text(re.sub(r"schedule: .*", line, example), encoding="utf-8")
        settings = read_settings({"ML_CONNECTOR_HOME": str(tmp_path)})
        assert all(flow.schedule for flow in load_project(flows, settings).flows.values())


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty warehouse with every table and mart."""
    file = tmp_path_factory.mktemp("docs") / "warehouse.duckdb"
    made = DuckDBDestination(
        "warehouse.erp", DatabaseFile(path=file, memory_limit="256MB", threads=1), "erp"
    )
    for entity in ENTITIES.values():
        made.prepare(entity)
    for mart in MARTS.values():
        made.define_view(mart.view(()))
    connection = duckdb.connect(file)
    yield connection
    connection.close()


@pytest.mark.parametrize(
    ("name", "query"),
    [
        (name, query.strip())
        for name, block in _blocks("sql")
        for query in block.split(";")
        if re.match(r"\s*(SELECT|WITH)\b", query)
    ],
)
def test_every_query_runs(warehouse: duckdb.DuckDBPyConnection, name: str, query: str) -> None:
    del name
    warehouse.execute(query).fetchall()


def _inline_commands() -> Iterator[tuple[str, str]]:
    for page, name in zip(PAGES, NAMES, strict=True):
        text = _without_blocks(page.read_text(encoding="utf-8"))
        for command in re.findall(r"`((?:\S*/)?ml-connector [^`]+|make [a-z][^`]*)`", text):
            if "..." not in command:  # what follows differs
                yield name, command


@pytest.mark.parametrize(
    ("name", "block"), [*_blocks("(?:sh|console)"), *dict.fromkeys(_inline_commands())]
)
def test_every_command_that_is_shown_exists(name: str, block: str) -> None:
    del name
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    commands = dict(_commands())
    for words in _shell_commands(block):
        if words[0] == "make":
            assert words[1] in targets
        if Path(words[0]).name != "ml-connector":
            continue
        path = max(
            (known for known in commands if ("ml-connector", *words[1:])[: len(known)] == known),
            key=len,
            default=None,
        )
        assert path is not None, words
        options = {option for one in commands[path].params for option in one.opts}
        used = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert used <= options, words


def _shell_commands(block: str) -> Iterator[list[str]]:
    """The simple commands of a block. What stands between quotes is one word."""
    lexer = shlex.shlex(block.replace("\\\n", " "), posix=True, punctuation_chars="|&;\n")
    lexer.whitespace = " \t"
    lexer.whitespace_split = True
    lexer.commenters = "#"
    words: list[str] = []
    for token in [*lexer, ";"]:
        if set(token) <= set("|&;\n"):
            while words and re.match(r"[A-Z_]+=", words[0]):
                words.pop(0)
            if words:
                yield words
            words = []
        else:
            words.append(token)


def _commands() -> Iterator[tuple[tuple[str, ...], click.Command]]:
    def walk(
        group: click.Group, path: tuple[str, ...]
    ) -> Iterator[tuple[tuple[str, ...], click.Command]]:
        for name, command in group.commands.items():
            if isinstance(command, click.Group):
                yield from walk(command, (*path, name))
            else:
                yield (*path, name), command

    root = typer.main.get_command(app)
    assert isinstance(root, click.Group)
    yield from walk(root, ("ml-connector",))
