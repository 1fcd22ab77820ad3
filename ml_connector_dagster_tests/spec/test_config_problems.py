"""What is wrong in a flows file: every problem at once, each with its line, its path and what to write instead.

Each row: what stands in place of the lines of a good file, and the lines of the error.
"""

import json
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from ml_connector_dagster.config.loading import load_project
from ml_connector_dagster.config.settings import read_settings
from ml_connector_dagster.model.errors import ConfigError


GOOD = {
    "acme": "acme: {type: cloudsuite, product_line: m3, credential: acme, timezone: Europe/Stockholm}",
    "warehouse": "warehouse: {type: duckdb, path: warehouse.duckdb}",
    "source": "source: acme",
    "companies": 'companies: ["100"]',
    "entities": "entities: all",
    "destinations": "destinations: [{connection: warehouse}]",
    "start_date": "start_date: 2025-11-01",
    "more": "description: good",
}


def flows_file(**instead: str) -> str:
    """A file of which line 2 is the connection acme, 3 warehouse, 6 source, 7 companies … 11 more."""
    text = {**GOOD, **instead}
    return (
        f"connections:\n  {text['acme']}\n  {text['warehouse']}\nflows:\n  erp:\n"
        f"    {text['source']}\n    {text['companies']}\n    {text['entities']}\n"
        f"    {text['destinations']}\n    {text['start_date']}\n    {text['more']}\n"
    )


def problems(folder: Path, **files: str) -> list[str]:
    """The lines of the error that the files give; [] when they are good."""
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    only = [folder / f"{name}.yaml" for name in files]
    try:
        load_project(
            only[0] if len(only) == 1 else folder,
            read_settings({"ML_CONNECTOR_HOME": str(folder / "home")}),
        )
    except ConfigError as error:
        return str(error).replace(f"{folder}/", "").splitlines()
    return []


def test_the_good_file_is_good(tmp_path: Path) -> None:
    assert problems(tmp_path, f=flows_file()) == []


TYPING = [
    ({"more": "descripton: x"}, "f.yaml:11: flows.erp.descripton: unknown key 'descripton'; did you mean 'description'?"),
    ({"destinations": "destinations: [{connection: warehouse, schmea: erp}]"}, "f.yaml:9: flows.erp.destinations[0].schmea: unknown key 'schmea'; did you mean 'schema'?"),
    ({"destinations": "destinations: [{connection: warehouse, schema_name: erp}]"}, "f.yaml:9: flows.erp.destinations[0].schema_name: unknown key 'schema_name'; did you mean 'schema'?"),
    ({"warehouse": "warehouse: {type: duckdb, path: a.duckdb, thread: 2}"}, "f.yaml:3: connections.warehouse.thread: unknown key 'thread'; did you mean 'threads'?"),
    ({"more": "name: x"}, "f.yaml:11: flows.erp.name: unknown key 'name'; the name is the key above it"),
    ({"more": "schedule: {cron: '0 6 * * *', enable: true}"}, "f.yaml:11: flows.erp.schedule.enable: unknown key 'enable'; did you mean 'enabled'?"),
    ({"source": "source: acmee"}, "f.yaml:6: flows.erp.source: unknown connection 'acmee'; did you mean 'acme'?"),
    ({"source": "source: warehouse"}, "f.yaml:6: flows.erp.source: warehouse is not a cloudsuite connection, so it cannot be read; one of: acme"),
    ({"destinations": "destinations: [{connection: warehuose}]"}, "f.yaml:9: flows.erp.destinations[0].connection: unknown connection 'warehuose'; did you mean 'warehouse'?"),
    ({"destinations": "destinations: [{connection: acme}]"}, "f.yaml:9: flows.erp.destinations[0].connection: acme is a cloudsuite connection, and nothing is ever written to CloudSuite; one of: warehouse"),
    ({"destinations": "destinations: [{connection: warehouse, write_mode: upsrt}]"}, "f.yaml:9: flows.erp.destinations[0].write_mode: unknown write mode 'upsrt'; did you mean 'upsert'?"),
    ({"destinations": "destinations: [{connection: warehouse, tables: own}]"}, "f.yaml:9: flows.erp.destinations[0].tables: unknown tables 'own'; one of: per_company, shared"),
    ({"entities": "entities: [suppliers, purchase_order]"}, "f.yaml:8: flows.erp.entities[1]: unknown entity 'purchase_order'; did you mean 'purchase_orders'?"),
    ({"acme": "acme: {type: cloudsuit, product_line: m3, credential: a, timezone: UTC}"}, "f.yaml:2: connections.acme.type: unknown connection type 'cloudsuit'; did you mean 'cloudsuite'?"),
    ({"acme": "acme: {type: cloudsuite, product_line: M33, credential: a, timezone: UTC}"}, "f.yaml:2: connections.acme.product_line: unknown product line 'M33'; did you mean 'm3'?"),
    ({"acme": "acme: {type: cloudsuite, product_line: sap, credential: a, timezone: UTC}"}, "f.yaml:2: connections.acme.product_line: unknown product line 'sap'; one of: distribution, financials, ln, m3, syteline"),
    ({"acme": "acme: {type: cloudsuite, product_line: m3, credential: a, timezone: Europe/Stockhlm}"}, "f.yaml:2: connections.acme.timezone: unknown timezone 'Europe/Stockhlm'; did you mean 'Europe/Stockholm'?"),
    ({"acme": "acme: {type: cloudsuite, product_line: m3, credential: a, timezone: ../etc/passwd}"}, "f.yaml:2: connections.acme.timezone: unknown timezone '../etc/passwd'; write it like Europe/Stockholm"),
]  # fmt: skip

VALUES = [
    ({"companies": "companies: [100]"}, 'f.yaml:7: flows.erp.companies[0]: company 100 must be quoted, or YAML takes it for a number: "100"'),
    ({"companies": "companies: [007]"}, 'f.yaml:7: flows.erp.companies[0]: company 007 must be quoted, or YAML takes it for a number: "007"'),
    ({"companies": 'companies: ["100", "100"]'}, "f.yaml:7: flows.erp.companies: '100' is listed twice"),
    ({"companies": "companies: []"}, "f.yaml:7: flows.erp.companies: the list is empty; it needs at least one"),
    ({"companies": "companies:"}, "f.yaml:7: flows.erp.companies: has no value; expected a list"),
    ({"companies": 'companies: "100"'}, "f.yaml:7: flows.erp.companies: expected a list, got '100'"),
    ({"companies": 'companies: [" 100"]'}, "f.yaml:7: flows.erp.companies[0]: company ' 100' begins or ends with a space"),
    ({"companies": 'companies: [""]'}, "f.yaml:7: flows.erp.companies[0]: a company is blank; write its number"),
    ({"companies": 'companies: ["1|2"]'}, "f.yaml:7: flows.erp.companies[0]: company '1|2' may not contain '|'"),
    ({"start_date": "start_date: 2025-02-30"}, "f.yaml:10: flows.erp.start_date: there is no day 2025-02-30: day is out of range for month"),
    ({"start_date": "start_date: 2025-13-01"}, "f.yaml:10: flows.erp.start_date: there is no day 2025-13-01: month must be in 1..12"),
    ({"start_date": "start_date: 01.11.2025"}, "f.yaml:10: flows.erp.start_date: '01.11.2025' is not a date; write year-month-day, like 2025-11-01"),
    ({"start_date": "start_date: 20251101"}, "f.yaml:10: flows.erp.start_date: 20251101 is not a date; write year-month-day, like 2025-11-01"),
    ({"start_date": "start_date: 1200-01-01"}, "f.yaml:10: flows.erp.start_date: 1200-01-01 is before 1970; older records belong to the first day anyway"),
    ({"entities": "entities: [suppliers, suppliers]"}, "f.yaml:8: flows.erp.entities: 'suppliers' is listed twice"),
    ({"destinations": "destinations: [{connection: warehouse}, {connection: warehouse, schema: ERP}]"}, "f.yaml:9: flows.erp.destinations: destination warehouse.ERP is listed twice"),
    ({"destinations": "destinations: [warehouse]"}, "f.yaml:9: flows.erp.destinations[0]: expected a block of keys, got 'warehouse'"),
    ({"destinations": "destinations: [{connection: warehouse, schema: 1st}]"}, "f.yaml:9: flows.erp.destinations[0].schema: '1st' is not a schema name: letters, digits and _, no digit first, at most 60"),
    ({"more": "owners: [finance]"}, "f.yaml:11: flows.erp.owners[0]: owner 'finance' is neither an e-mail address nor team:NAME"),
    ({"more": "description: 5"}, "f.yaml:11: flows.erp.description: expected text, got 5"),
    ({"warehouse": "warehouse: {type: duckdb, path: a.duckdb, threads: -2}"}, "f.yaml:3: connections.warehouse.threads: must be at least 1, got -2"),
    ({"warehouse": "warehouse: {type: duckdb, path: a.duckdb, threads: '2'}"}, "f.yaml:3: connections.warehouse.threads: expected a whole number, got '2'"),
    ({"warehouse": "warehouse: {type: duckdb, path: a.duckdb, threads: 2.5}"}, "f.yaml:3: connections.warehouse.threads: expected a whole number, got 2.5"),
    ({"warehouse": "warehouse: {type: duckdb, path: a.duckdb, threads: true}"}, "f.yaml:3: connections.warehouse.threads: expected a whole number, got true"),
    ({"warehouse": "warehouse: {type: duckdb, path: a.duckdb, memory_limit: lots}"}, "f.yaml:3: connections.warehouse.memory_limit: 'lots' is not a size; write it like 512MB or 4GB"),
    ({"warehouse": "warehouse: {path: a.duckdb}"}, "f.yaml:3: connections.warehouse: the key 'type' is missing; one of: cloudsuite, databricks, duckdb, looker, monday, salesforce, snowflake"),
    ({"warehouse": "warehouse: {type: duckdb}"}, "f.yaml:3: connections.warehouse: the key 'path' is missing: The database file; a relative path is inside ML_CONNECTOR_HOME"),
    ({"warehouse": "warehouse: {type: duckdb, path: ~/w.duckdb}"}, "f.yaml:3: connections.warehouse.path: '~/w.duckdb': ~ is not expanded here; write the whole path"),
    ({"warehouse": "warehouse: {type: duckdb, path: ''}"}, "f.yaml:3: connections.warehouse.path: a path is blank; write where the file is"),
    ({"warehouse": "warehouse: {type: duckdb, path: ../f.yaml/w.duckdb}"}, "f.yaml:3: connections.warehouse.path: f.yaml is a file, so f.yaml/w.duckdb cannot be in it"),
    ({"source": "#"}, "f.yaml:5: flows.erp: the key 'source' is missing: Name of the cloudsuite connection that is read"),
    ({"destinations": "destinations: [{schema: erp}]"}, "f.yaml:9: flows.erp.destinations[0]: the key 'connection' is missing"),
    ({"acme": "acme: {type: cloudsuite, product_line: m3, credential: a, timezone: UTC, requests_per_minute: 0}"}, "f.yaml:2: connections.acme.requests_per_minute: must be at least 1, got 0"),
    ({"acme": "acme: {type: cloudsuite, product_line: m3, credential: a, timezone: UTC, request_timeout_seconds: 0}"}, "f.yaml:2: connections.acme.request_timeout_seconds: must be more than 0, got 0"),
    ({"acme": "acme: {type: cloudsuite, product_line: m3, credential: a, timezone: UTC, request_timeout_seconds: 1e999}"}, "f.yaml:2: connections.acme.request_timeout_seconds: expected a number, got 1e999"),
    ({"acme": "acme: {type: cloudsuite, product_line: m3, credential: a, timezone: UTC, catalog: none.yaml}"}, "f.yaml:2: connections.acme.catalog: there is no file none.yaml (a relative path begins at the YAML file's folder)"),
    ({"acme": "acme: {type: cloudsuite, product_line: m3, credential: a, timezone: UTC, base_url: host/infor}"}, "f.yaml:2: connections.acme.base_url: not a web address; write it like https://host:7443/infor"),
]  # fmt: skip

SCHEDULES = [
    ("{every: day, cron: '0 6 * * *'}", "schedule: give either every: or cron:"),
    ("{enabled: true}", "schedule: give either every: or cron:"),
    ("{every: dya}", "schedule.every: unknown 'dya'; did you mean 'day'?"),
    ("{every: 5 hours}", "schedule.every: '5 hours' does not divide a day evenly; write 1, 2, 3, 4, 6, 8, 12 hours, day, or a cron:"),
    ("{every: day, at: 25:00}", "schedule.at: '25:00' is not a time of day; write it like 06:00"),
    ("{every: day, at: '0٦:00'}", "schedule.at: '0٦:00' is not a time of day; write it like 06:00"),
    ("{every: day, at: 6}", "schedule.at: expected text, got 6"),
    ("{every: week, on: fryday}", "schedule.on: unknown weekday 'fryday'; did you mean 'friday'?"),
    ("{every: day, on: friday}", "schedule: on: goes with every: week"),
    ("{cron: '0 6 * * *', at: 06:00}", "schedule: at: goes with every:; a cron says its own time"),
    ("{cron: '0 6 * *'}", "schedule.cron: '0 6 * *' is not a cron expression: five fields, like */15 * * * * (minute hour day month weekday)"),
    ("{cron: '61 6 * * *'}", "schedule.cron: '61 6 * * *' is not a cron expression: minute 0-59, hour 0-23, day 1-31, month 1-12, weekday 0-6"),
    ("{cron: '0 6 31 2 *'}", "schedule.cron: '0 6 31 2 *' never comes: no month has that day"),
    ("{every: day, timezone: CETT}", "schedule.timezone: unknown timezone 'CETT'; did you mean 'CET'?"),
    ("{every: day, enabled: yes}", "schedule.enabled: expected true or false, got 'yes'"),
    ("daily", "schedule: expected a block of keys, got 'daily'"),
]  # fmt: skip


@pytest.mark.parametrize(("instead", "said"), TYPING)
def test_a_slip_of_the_pen_gets_a_suggestion(
    instead: dict[str, str], said: str, tmp_path: Path
) -> None:
    assert problems(tmp_path, f=flows_file(**instead)) == [said]


@pytest.mark.parametrize(("instead", "said"), VALUES)
def test_a_wrong_value_is_told_what_would_be_right(
    instead: dict[str, str], said: str, tmp_path: Path
) -> None:
    assert problems(tmp_path, f=flows_file(**instead)) == [said]


@pytest.mark.parametrize(("written", "said"), SCHEDULES)
def test_a_wrong_schedule_is_told_what_would_be_right(
    written: str, said: str, tmp_path: Path
) -> None:
    found = problems(tmp_path, f=flows_file(more=f"schedule: {written}"))
    assert found == [f"f.yaml:11: flows.erp.{said}"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Acme-Prod", "'Acme-Prod' is not a good name: start with a lower-case letter, then lower-case letters, digits and _, at most 40; for example 'acme_prod'"),
        ("../x", "'../x' is not a good name: start with a lower-case letter, then lower-case letters, digits and _, at most 40; for example 'x'"),
        ("ä", "'ä' is not a good name: start with a lower-case letter, then lower-case letters, digits and _, at most 40"),
    ],
)  # fmt: skip
def test_names_are_plain_for_they_become_asset_keys_and_folders(
    name: str, said: str, tmp_path: Path
) -> None:
    file = flows_file(warehouse=f"{name}: {{type: duckdb, path: b.duckdb}}").replace(
        "connection: warehouse", f"connection: {name}"
    )
    assert problems(tmp_path, f=file) == [f"f.yaml:3: connections.{name}: {said}"]


NEVER = (
    "a secret never stands in YAML; store it with: ml-connector credentials add NAME, "
    "and write credential: NAME"
)


@pytest.mark.parametrize(
    "key",
    ["password", "client_secret", "token", "access_token", "api_key", "sask", "cs", "private_key_passphrase"],
)  # fmt: skip
def test_a_secret_in_yaml_is_refused_and_not_repeated(key: str, tmp_path: Path) -> None:
    file = flows_file(warehouse=f"warehouse: {{type: duckdb, path: a.duckdb, {key}: hunter2-xyz}}")
    assert problems(tmp_path, f=file) == [f"f.yaml:3: connections.warehouse.{key}: {NEVER}"]


def test_secrets_in_other_places_are_not_repeated_either(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        f=flows_file(
            acme="acme: {type: cloudsuite, product_line: m3, credential: 'pa$$ hunter2', timezone: UTC, "
            "base_url: 'https://me:hunter2@host'}",
            warehouse="warehouse: {type: bigquery, password: hunter2}",
        ),
    )
    assert found == [
        "f.yaml:2: connections.acme.base_url: holds a user or password; store those with: ml-connector credentials add NAME",
        "f.yaml:2: connections.acme.credential: not the name of a credential (letters, digits, _ . -, at most 100); "
        "the secret itself never stands here: store it with: ml-connector credentials add NAME",
        f"f.yaml:3: connections.warehouse.password: {NEVER}",
        "f.yaml:3: connections.warehouse.type: unknown connection type 'bigquery'; one of: cloudsuite, databricks, duckdb, looker, monday, salesforce, snowflake",
    ]


def test_all_problems_of_all_files_are_reported_at_once(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        a=flows_file(source="source: acmee", start_date="start_date: 2025-02-30", more="owner: x"),
        b="flows:\n  other: 5\nconections: {}\n",
        c="a: [\n",
        d="- a list\n",
    )
    assert found == [
        "a.yaml:6: flows.erp.source: unknown connection 'acmee'; did you mean 'acme'?",
        "a.yaml:10: flows.erp.start_date: there is no day 2025-02-30: day is out of range for month",
        "a.yaml:11: flows.erp.owner: unknown key 'owner'; did you mean 'owners'?",
        "b.yaml:2: flows.other: expected a block of keys, with source: first",
        "b.yaml:3: conections: unknown key 'conections'; did you mean 'connections'?",
        "c.yaml:2: not valid YAML: expected the node content, but found '<stream end>' (while parsing a flow node)",
        "d.yaml:1: expected connections: and flows: at the top",
    ]


def test_a_name_defined_twice_names_both_places(tmp_path: Path) -> None:
    again = f"connections:\n  {GOOD['warehouse']}\nflows:\n  erp: {{}}\ndefaults: {{}}\n"
    found = problems(tmp_path, a=flows_file() + "defaults: {}\n", b=again)
    assert found == [
        "b.yaml:2: connections.warehouse: defined twice; the other is at a.yaml:3",
        "b.yaml:4: flows.erp: defined twice; the other is at a.yaml:5",
        "b.yaml:5: defaults: given twice; the other is at a.yaml:12",
    ]  # fmt: skip


def test_a_problem_of_defaults_is_told_once_where_it_stands(tmp_path: Path) -> None:
    flow = "{source: acme, companies: ['1'], entities: [%s], start_date: 2025-01-01}"
    file = (
        f"connections:\n  {GOOD['acme']}\n  {GOOD['warehouse']}\n"
        "defaults:\n  destinations:\n    - connection: warehuose\n  owners: [x]\n  colour: red\n"
        f"flows:\n  a: {flow % 'items'}\n  b: {flow % 'suppliers'}\n"
    )
    assert problems(tmp_path, f=file) == [
        "f.yaml:6: defaults.destinations[0].connection: unknown connection 'warehuose'; did you mean 'warehouse'?",
        "f.yaml:7: defaults.owners[0]: owner 'x' is neither an e-mail address nor team:NAME",
        "f.yaml:8: defaults.colour: unknown key 'colour'; one of: companies, description, destinations, entities, looker, marts, owners, reconcile, replay, schedule, source, start_date, sweep",
    ]  # fmt: skip


SECOND = "  two:\n    source: acme\n    companies: {companies}\n    entities: {entities}\n    destinations: [{{connection: warehouse, schema: {schema}}}]\n    start_date: {start}\n"


@pytest.mark.parametrize(
    ("companies", "entities", "schema", "start", "said"),
    [
        ('["100"]', "[items]", "other", "2025-11-01", []),
        ('["200"]', "[items]", "other", "2025-11-01", ["f.yaml:14: flows.two.companies: other companies for items of acme, which flow 'erp' reads for 100; an entity has the same companies in every flow"]),
        ('["100"]', "[items]", "other", "2025-12-01", ["f.yaml:17: flows.two.start_date: another start_date for items of acme, which flow 'erp' reads from 2025-11-01; an entity has the same start_date in every flow"]),
        ('["100"]', "[items]", "ERP", "2025-11-01", ["f.yaml:16: flows.two.destinations[0]: flow 'erp' already delivers items to warehouse.ERP; give one of them another schema"]),
        ('["100"]', "all", "erp", "2025-11-01", ["f.yaml:16: flows.two.destinations[0]: flow 'erp' already delivers suppliers and 10 more to warehouse.erp; give one of them another schema"]),
    ],
)  # fmt: skip
def test_flows_of_the_same_entity_agree(
    companies: str, entities: str, schema: str, start: str, said: list[str], tmp_path: Path
) -> None:
    second = SECOND.format(companies=companies, entities=entities, schema=schema, start=start)
    assert problems(tmp_path, f=flows_file() + second) == said


def test_one_duckdb_file_is_one_connection(tmp_path: Path) -> None:
    file = flows_file(
        warehouse="w2: {type: duckdb, path: warehouse.duckdb}\n  warehouse: {type: duckdb, path: warehouse.duckdb}"
    )
    assert problems(tmp_path, f=file) == [
        "f.yaml:4: connections.warehouse.path: home/warehouse.duckdb is already the file of connection 'w2'; use that one"
    ]


def test_no_file_is_an_error_that_says_where_to_begin(tmp_path: Path) -> None:
    settings = read_settings({})
    with pytest.raises(
        ConfigError, match="there is no such file or folder; set ML_CONNECTOR_FLOWS"
    ):
        load_project(tmp_path / "none.yaml", settings)
    with pytest.raises(
        ConfigError, match=r"no \*\.yaml file in this folder; copy flows/sandbox.yaml"
    ):
        load_project(tmp_path, settings)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@example(path=("connections",), value={"\r0": None})
@example(path=("connections", "acme", "catalog"), value="\U00010000")
@example(path=("connections", "warehouse", "path"), value="\ud800")
@examples(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    path=st.sampled_from(
        [
            (),
            ("connections",),
            ("connections", "acme"),
            *(("connections", "acme", key) for key in ("type", "timezone", "page_rows", "catalog", "base_url", "x")),
            ("connections", "warehouse", "path"),
            ("flows",),
            ("flows", "erp"),
            *(("flows", "erp", key) for key in ("source", "companies", "entities", "destinations", "start_date", "schedule", "owners")),
            ("defaults",),
            ("defaults", "destinations"),
        ]
    ),
    value=anything,
)  # fmt: skip
def test_anything_anywhere_is_taken_or_told_with_its_line(
    path: tuple[str, ...], value: object, tmp_path: Path
) -> None:
    document: dict[str, object] = {
        "connections": {
            "acme": {"type": "cloudsuite", "product_line": "m3", "credential": "a", "timezone": "UTC"},
            "warehouse": {"type": "duckdb", "path": "w.duckdb"},
        },
        "defaults": {"description": "x"},
        "flows": {
            "erp": {
                "source": "acme",
                "companies": ["100"],
                "entities": "all",
                "destinations": [{"connection": "warehouse"}],
                "start_date": "2025-11-01",
            }
        },
    }  # fmt: skip
    place: dict[str, object] = {"": document}
    for key in ("", *path)[:-1]:
        place = place[key]  # type: ignore[assignment]
    place[("", *path)[-1]] = value
    text = json.dumps(document if path else value, indent=1, ensure_ascii=True)
    found = problems(tmp_path, f=text)
    assert [line for line in found if not re.match(r"f\.yaml:\d+: .", line)] == []


def test_the_folder_that_documents_arrive_in_may_be_there(tmp_path: Path) -> None:
    """It is, from the first document on."""
    text = flows_file(acme=GOOD["acme"].replace("}", ", bods: {folder: inbox}}"))
    assert problems(tmp_path, f=text) == []
    inbox = tmp_path / "home" / "inbox"
    inbox.mkdir(parents=True)
    assert problems(tmp_path, f=text) == []
    inbox.rmdir()
    inbox.touch()
    assert problems(tmp_path, f=text) == [
        "f.yaml:2: connections.acme.bods.folder: home/inbox is a file; write the path of a folder"
    ]
