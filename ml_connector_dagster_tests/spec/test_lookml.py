"""LookML that is generated: the same each time, nothing breaks out of its value, and the check finds what is wrong."""

from dataclasses import replace
from pathlib import Path

import lkml
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ml_connector_dagster.lookml import Problem, check, field_lineage, fit, read, write
from ml_connector_dagster.lookml.measures import sums_of
from ml_connector_dagster.lookml.names import DIALECTS, text
from ml_connector_dagster.lookml.tables import tables_of
from ml_connector_dagster.marts import MARTS
from ml_connector_dagster.model.entities import ENTITIES, Column, ColumnType
from ml_connector_dagster.model.errors import ConfigError
from ml_connector_dagster_tests.spec.lookml_samples import project_of


FILES = project_of().files()
SUPPLIERS = ENTITIES["suppliers"]
PAYABLES = tuple(ENTITIES[name] for name in ("suppliers", "supplier_invoices", "payments"))
#: Of a flow with one mart: reading all of LookML takes a second each time.
FEW = project_of(entities=PAYABLES).files()
HOSTILE = 'a ;; dimension: evil { sql: 1 ;; } "}\n\\ {{ _user_attributes["x"] }} {% if %} ${TABLE}'


def test_the_same_input_gives_the_same_bytes() -> None:
    assert project_of().files() == FILES
    assert list(project_of().files()) == list(FILES)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_nothing_is_wrong_with_what_is_generated(dialect: str) -> None:
    schema = ("main", "erp") if dialect == "databricks" else ("erp",)
    assert check(project_of(DIALECTS[dialect].name, schema).files()) == ()  # type: ignore[index]


def test_a_flow_of_few_entities_has_whole_lookml_too() -> None:
    """Amounts of lines need their header's currency: without the header there is no sum."""
    lines = ENTITIES["purchase_order_lines"]
    files = project_of(entities=(lines,)).files()
    assert check(files) == ()
    assert "total_line_amount" not in files["views/purchase_order_lines.view.lkml"]
    assert "total_line_amount" in FILES["views/purchase_order_lines.view.lkml"]


@pytest.mark.parametrize(
    ("dialect", "table", "column"),
    [
        ("duckdb", '"erp"."suppliers"', '${TABLE}."supplier_id"'),
        ("snowflake", '"ERP"."SUPPLIERS"', '${TABLE}."SUPPLIER_ID"'),
        ("databricks", "`erp`.`suppliers`", "${TABLE}.`supplier_id`"),
    ],
)
def test_names_are_spelled_as_the_warehouse_has_them(dialect: str, table: str, column: str) -> None:
    files = project_of(DIALECTS[dialect].name).files()  # type: ignore[index]
    (view,) = lkml.load(files["views/suppliers.view.lkml"])["views"]
    assert view["sql_table_name"] == table
    sql = {one["name"]: one["sql"] for one in view["dimensions"]}
    assert sql["supplier_id"] == column


def test_a_database_is_spelled_as_it_was_configured() -> None:
    files = project_of("snowflake", ("Analytics_db", "erp"), entities=(SUPPLIERS,)).files()
    (view,) = lkml.load(files["views/suppliers.view.lkml"])["views"]
    assert view["sql_table_name"] == '"Analytics_db"."ERP"."SUPPLIERS"'
    assert '"Analytics_db"."ERP"."_LOOKER_SYNC"' in files["models/erp.model.lkml"]


def test_a_column_added_to_an_entity_appears() -> None:
    new = Column(name="credit_score", type=ColumnType.DECIMAL, description="score")
    day = Column(name="reviewed_date", type=ColumnType.DATE, description="day of it")
    wider = replace(SUPPLIERS, columns=(*SUPPLIERS.columns, new, day))
    files = project_of(entities=(wider,)).files()
    assert check(files) == ()
    (view,) = lkml.load(files["views/suppliers.view.lkml"])["views"]
    assert "credit_score" in {one["name"] for one in view["dimensions"]}
    assert "reviewed" in {one["name"] for one in view["dimension_groups"]}
    lineage = {one.field for one in field_lineage(project_of(entities=(wider,)), {})}
    assert {"suppliers.credit_score", "suppliers.reviewed_month"} <= lineage


def test_a_date_does_not_take_the_name_of_a_column_of_the_erp() -> None:
    (view,) = lkml.load(FILES["views/supplier_invoices.view.lkml"])["views"]
    assert "invoice_year" in {one["name"] for one in view["dimensions"]}
    groups = {one["name"]: one["timeframes"] for one in view["dimension_groups"]}
    assert "year" not in groups["invoice"]
    assert "year" in groups["due"]


@pytest.mark.parametrize("table", tables_of(tuple(ENTITIES.values()), MARTS.values()), ids=str)
def test_a_sum_of_money_is_apart_by_what_tells_its_currency(table: object) -> None:
    views = frozenset(ENTITIES) | frozenset(MARTS)
    for one in sums_of(table, views):  # type: ignore[arg-type]
        if one.column.endswith(("amount", "variance")):
            assert one.apart[0].endswith("currency")
        elif not one.column.startswith(("lines_", "open_")):
            assert one.apart  # a unit, or a ledger


def test_rows_that_the_erp_has_no_longer_are_in_no_explore() -> None:
    model = lkml.load(FILES["models/erp.model.lkml"])
    for explore in model["explores"]:
        name = explore["name"]
        if name in ENTITIES:
            assert explore["sql_always_where"] == f"${{{name}.deleted_raw}} IS NULL"
        for join in explore.get("joins", ()):
            assert f"${{{join['name']}.deleted_raw}} IS NULL" in join["sql_on"]
            assert join["relationship"] == "many_to_one"


def test_hostile_words_stay_inside_their_value() -> None:
    columns = tuple(replace(one, description=HOSTILE) for one in SUPPLIERS.columns)
    hostile = replace(SUPPLIERS, label=HOSTILE, description=HOSTILE, columns=columns)
    files = project_of(entities=(hostile,), label=HOSTILE).files()
    assert check(files) == ()
    plain = project_of(entities=(SUPPLIERS,)).files()
    for path in plain:
        if path.endswith(".lkml"):
            assert _shape(lkml.load(files[path])) == _shape(lkml.load(plain[path])), path
            assert "{{" not in files[path]
            assert "{%" not in files[path]


@given(st.text(max_size=80))
def test_any_words_come_back_as_one_value(value: str) -> None:
    dumped = lkml.dump({"views": [{"name": "a", "label": text(value)}]})
    assert lkml.load(dumped or "")["views"] == [{"name": "a", "label": text(value)}]


@pytest.mark.parametrize("name", ["a;;b", "x${y}", "{{ x }}", "a\nb"])
def test_a_name_of_the_warehouse_that_breaks_out_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot stand in LookML"):
        project_of(schema=(name,)).files()


@pytest.mark.parametrize("name", ['we"ird', "Sales Data", "a`b"])
def test_an_odd_name_of_the_warehouse_is_quoted(name: str) -> None:
    for dialect in ("duckdb", "databricks"):
        files = project_of(dialect, schema=(name,), entities=PAYABLES).files()  # type: ignore[arg-type]
        assert check(files) == ()


@pytest.mark.parametrize("name", ["Suppliers", "1st", "sup-pliers", "sup;;", "", "ü"])
def test_a_name_that_lookml_cannot_have_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be a name in LookML"):
        project_of(entities=(replace(SUPPLIERS, name=name),)).files()
    with pytest.raises(ConfigError, match="Looker connection"):
        project_of(connection=f"{name} x").files()


def test_what_is_written_is_read_back_and_what_is_gone_is_removed(tmp_path: Path) -> None:
    (tmp_path / "views").mkdir()
    mine = tmp_path / "views" / "mine.view.lkml"
    mine.write_text("view: mine { sql_table_name: x ;; }")
    assert len(write(project_of(), tmp_path)) == len(FILES)
    assert write(project_of(), tmp_path) == ()
    assert {k: v for k, v in read(tmp_path).items() if "mine" not in k} == FILES

    changed = write(project_of(entities=(SUPPLIERS,)), tmp_path)
    assert "views/payments.view.lkml" in changed
    assert set(read(tmp_path)) == {
        *project_of(entities=(SUPPLIERS,)).files(),
        "views/mine.view.lkml",
    }


def _shape(tree: object) -> object:
    """A parsed tree without its words."""
    if isinstance(tree, dict):
        return {k: None if k in ("label", "description") else _shape(v) for k, v in tree.items()}
    return [_shape(one) for one in tree] if isinstance(tree, list) else tree


# --- the check


VIEW = "views/suppliers.view.lkml"
MODEL = "models/erp.model.lkml"
BOARD = "dashboards/payables_aging.dashboard.lookml"


@pytest.mark.parametrize(
    ("path", "old", "new", "message"),
    [
        (VIEW, "type: string", "type: strnig", "unknown type 'strnig'"),
        (VIEW, "primary_key: yes", "primary_key: no", "needs one primary key"),
        (VIEW, "dimension: tenant {", "dimension: record_id {", "2 fields are called 'record_id'"),
        (
            VIEW,
            "    type: string\n",
            "    typo_key: banana\n    type: string\n",
            "unknown parameter 'typo_key'",
        ),
        (VIEW, "view: suppliers {", "view: supliers {", "there is no view 'suppliers'"),
        (VIEW, '  sql_table_name: "erp"."suppliers" ;;\n', "", "has no table"),
        (VIEW, "[company, ", "[compny, ", "there is no field 'compny'"),
        (VIEW, 'sql: ${TABLE}."name" ;;', "sql: ${nmae} ;;", "${nmae} is no field"),
        (VIEW, "      week,\n", "      fortnight,\n", "unknown timeframe 'fortnight'"),
        (VIEW, '"suppliers" ;;', '"suppliers"', "needs one primary key, and has none"),
        (MODEL, "${suppliers.deleted_raw}", "${suppliers.deletd}", "is no field of this explore"),
        (MODEL, "join: suppliers {", "join: supplrs {", "there is no view 'supplrs'"),
        (MODEL, "many_to_one", "many_to_some", "unknown relationship 'many_to_some'"),
        (MODEL, "/views/*.view.lkml", "/view/*.view.lkml", "hits no file"),
        (MODEL, "persist_with: erp_sync", "persist_with: erp_snc", "no datagroup 'erp_snc'"),
        (MODEL, 'connection: "warehouse"\n', "", "names no connection"),
        (
            BOARD,
            "payables_aging.total_open_amount",
            "payables_aging.gone",
            "no field 'payables_aging.gone'",
        ),
        (BOARD, "explore: payables_aging", "explore: payables", "no explore 'payables'"),
        (BOARD, "model: erp", "model: other", "there is no model 'other'"),
        (BOARD, "      Company: ", "      Firm: ", "listens to a filter 'Firm'"),
        (BOARD, "- dashboard:", "- dashbord:", "cannot be read"),
    ],
)
def test_a_mistake_is_found(path: str, old: str, new: str, message: str) -> None:
    assert old in FEW[path]
    found = check({**FEW, path: FEW[path].replace(old, new, 1)})
    assert any(message in one.message for one in found), found


@pytest.mark.parametrize("cut", [3, 7, 40, 200, 333])
def test_a_file_that_is_cut_off_is_a_problem_and_no_crash(cut: int) -> None:
    found = check({**FEW, VIEW: FEW[VIEW][:-cut]})
    assert any(one.file == VIEW or "suppliers" in one.message for one in found)


def test_all_mistakes_are_told_at_once_each_with_its_file() -> None:
    broken = {
        **FEW,
        VIEW: FEW[VIEW].replace("type: string", "type: strnig", 1),
        MODEL: FEW[MODEL].replace("many_to_one", "many_to_some", 1),
        BOARD: FEW[BOARD].replace("model: erp", "model: other", 1),
    }
    assert {one.file for one in check(broken)} == {VIEW, MODEL, BOARD}


def test_a_table_that_is_gone_is_told() -> None:
    tables = {
        table.table: {one.name for one in table.columns}
        for table in project_of(entities=PAYABLES).tables
    }
    del tables["payables_aging"]
    assert fit(FEW, tables).problems == (
        Problem(
            file="views/payables_aging.view.lkml",
            where="view payables_aging",
            message="the warehouse has no table 'payables_aging'",
        ),
    )


@pytest.mark.parametrize("dialect", ["snowflake", "databricks"])
def test_columns_are_compared_whatever_the_warehouse_folds(dialect: str) -> None:
    project = project_of(DIALECTS[dialect].name, entities=PAYABLES)  # type: ignore[index]
    tables = {
        table.table.upper(): {one.name.upper() for one in table.columns} for table in project.tables
    }
    assert fit(project.files(), tables) == fit(FEW, tables)
    assert fit(project.files(), tables).problems == ()


# --- lineage


def test_a_field_leads_back_to_the_field_of_the_erp() -> None:
    erp = {
        "supplier_invoices": {"amount": ("FPLEDG", "EPCUAM"), "supplier_id": ("FPLEDG", "EPSUNO")},
        "payments": {"amount": ("FPLEDG", "EPCUAM"), "supplier_id": ("FPLEDG", "EPSUNO")},
        "suppliers": {"name": ("CIDMAS", "IDSUNM")},
    }
    found = {one.field: one for one in field_lineage(project_of(), erp)}
    amount = found["payables_aging.total_open_amount"]
    assert (amount.table, amount.column) == ("payables_aging", "open_amount")
    assert set(amount.columns) == {("payments", "amount"), ("supplier_invoices", "amount")}
    assert amount.erp == (("FPLEDG", "EPCUAM"),)
    assert found["suppliers.name"].erp == (("CIDMAS", "IDSUNM"),)
    assert found["suppliers.batch_id"].erp == ()
    assert found["supplier_invoices.due_month"].column == "due_date"


def test_every_field_has_its_lineage() -> None:
    fields = {one.field for one in field_lineage(project_of(), {})}
    for path, content in FILES.items():
        if not path.startswith("views/"):
            continue
        (view,) = lkml.load(content)["views"]
        names = [one["name"] for one in view["dimensions"] if one["name"] != "row_key"]
        names += [one["name"] for one in view.get("measures", ()) if one["name"] != "count"]
        names += [
            f"{g['name']}_{t}" for g in view.get("dimension_groups", ()) for t in g["timeframes"]
        ]
        assert {f"{view['name']}.{name}" for name in names} <= fields


def test_dashboards_have_the_filters_that_were_asked_for() -> None:
    boards = {
        path: yaml.safe_load(content)[0] for path, content in FILES.items() if "dashboard" in path
    }
    assert len(boards) == 4
    filters = {
        one["field"].partition(".")[2] for board in boards.values() for one in board["filters"]
    }
    assert {"company", "supplier_id", "account_id", "period", "promised_month"} <= filters
    for board in boards.values():
        for element in board["elements"]:
            assert set(element["listen"]) == {one["name"] for one in board["filters"]}
