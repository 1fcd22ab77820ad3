"""The M3 catalog, and a tenant's own file laid over it."""

from pathlib import Path

import pytest

from ml_connector_dagster.cloudsuite.catalog.fields import ErpType, FieldSpec
from ml_connector_dagster.cloudsuite.catalog.m3 import load_m3_catalog
from ml_connector_dagster.cloudsuite.catalog.routes import ExportRoute, ListRoute
from ml_connector_dagster.cloudsuite.read_guard import ReadGuard
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.errors import ConfigError


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return tmp_path / "acme.yaml"


def test_every_entity_and_every_column_that_m3_has() -> None:
    catalog = load_m3_catalog()
    assert list(catalog.entities) == list(ENTITIES)
    unmapped = {
        f"{name}.{column.name}"
        for name, entity in ENTITIES.items()
        for column in entity.columns
        if column.name not in catalog.entities[name].fields
    }
    assert unmapped == {"supplier_invoices.purchase_order_id"}, "no verified column holds it"


def test_the_gateway_lets_every_transaction_of_the_catalog_pass() -> None:
    guard = ReadGuard("M3")
    for entity in load_m3_catalog().entities.values():
        for _, route in entity.ordered_routes:
            calls = [("EXPORTMI", "Select")]
            if isinstance(route, ListRoute):
                calls = [(route.program, route.transaction)]
                calls += [(one.program, one.transaction) for one in route.children]
                calls += [(one.program, one.transaction) for one in route.complete]
            for program, transaction in calls:
                guard.judge_get(f"/m3api-rest/v2/execute/{program}/{transaction};maxrecs=1")


def test_the_brief_programs_come_first_where_they_can_tell_what_changed() -> None:
    first = {
        name: entity.ordered_routes[0][1].label
        for name, entity in load_m3_catalog().entities.items()
    }
    assert first["suppliers"] == "list CRS620MI/LstSuppliers"
    assert first["purchase_orders"] == "list PPS100MI/LstHead"
    assert first["purchase_order_lines"] == "list PPS200MI/LstLines"
    assert first["supplier_invoices"] == "list APS100MI/LstInvoices"
    assert first["gl_accounts"] == "list CRS630MI/LstAccountID"
    assert first["supplier_invoice_lines"] == "export FAPIBL"


@pytest.mark.parametrize(
    ("short", "spec"),
    [
        ("SUNO A10", FieldSpec(source="SUNO", type=ErpType.TEXT, length=10)),
        ("CUAM N17", FieldSpec(source="CUAM", type=ErpType.NUMBER, length=17)),
        ("LMDT D8", FieldSpec(source="LMDT", type=ErpType.DATE, length=8)),
        ("CFI1", FieldSpec(source="CFI1")),
    ],
)
def test_fields_in_short(short: str, spec: FieldSpec) -> None:
    assert FieldSpec.model_validate(short) == spec


def test_a_tenant_overrides_what_it_names_and_nothing_else(own: Path) -> None:
    own.write_text(
        """
        entities:
          suppliers:
            order: [export]
            fields: {buyer: RESP A10}
            routes:
              export: {table: ZIDMAS, prefix: ZZ, page_rows: 500}
          payments:
            fields: {amount: {negate: true}}
            routes: {export: {where: {TRCD: [50, 51]}}}
          supplier_invoices:
            fields: {amount: CUAM N19}
            routes: {list: null}
          gl_balances:
            routes: {list: {constants: {BAKY: ["01", "02"]}}}
          customers:
            further_fields: {territory: CFI3 A10}
        """
    )
    catalog, plain = load_m3_catalog(own), load_m3_catalog()
    suppliers = catalog.entities["suppliers"]
    assert [name for name, _ in suppliers.ordered_routes] == ["export", "list", "lake"]
    export = suppliers.routes["export"]
    assert isinstance(export, ExportRoute)
    assert (export.table, export.prefix, export.page_rows) == ("ZIDMAS", "ZZ", 500)
    assert export.lookups == plain.entities["suppliers"].routes["export"].lookups  # type: ignore[union-attr]
    assert suppliers.fields["buyer"].source == "RESP"
    assert suppliers.fields["name"] == plain.entities["suppliers"].fields["name"]
    assert catalog.entities["payments"].fields["amount"] == FieldSpec(
        source="CUAM", type=ErpType.NUMBER, length=17, negate=True
    )
    payments = catalog.entities["payments"].routes["export"]
    assert isinstance(payments, ExportRoute)
    assert payments.where == {"TRCD": ("50", "51")}
    invoices = catalog.entities["supplier_invoices"]
    assert invoices.fields["amount"].negate, "a new name keeps the sign"
    assert list(invoices.routes) == ["export", "lake"]
    assert catalog.entities["customers"].all_fields["territory"].source == "CFI3"
    assert catalog.entities["items"] == plain.entities["items"]


def test_a_route_of_another_kind_replaces_the_old_one_whole(own: Path) -> None:
    own.write_text(
        """
        entities:
          purchase_orders:
            routes:
              list: {kind: export, table: MPHEAD, prefix: IA, key: [PUNO]}
              mine: {kind: list, program: EXT100MI, transaction: LstOrders, position: {PUNO: PUNO}}
            order: [mine]
        """
    )
    routes = load_m3_catalog(own).entities["purchase_orders"].ordered_routes
    assert [route.label for _, route in routes] == [
        "list EXT100MI/LstOrders",
        "export MPHEAD",
        "export MPHEAD",
        "compass MPHEAD",
    ]


def test_all_problems_come_at_once_each_with_its_file_its_place_and_a_hint(own: Path) -> None:
    own.write_text(
        """
        entities:
          suppliers:
            ordr: [export]
            fields: {name: SUNM Z3}
            routes:
              list: {programm: X, transaction: UpdSupplier}
        """
    )
    with pytest.raises(ConfigError) as caught:
        load_m3_catalog(own)
    lines = str(caught.value).splitlines()[1:]
    assert len(lines) == 4
    assert all(line.strip().startswith(f"{own}: entities.suppliers.") for line in lines)
    text = "\n".join(lines)
    assert "routes.list.programm: unknown key (did you mean 'program'?)" in text
    assert "ordr: unknown key (did you mean 'order'?)" in text
    assert "'SUNM Z3' is no field; write it like 'SUNO A10'" in text
    assert "routes.list.transaction" in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("entities: {supliers: {fields: {a: B}, routes: {}}}", "supliers"),
        ("entities: {suppliers: {fields: {nmae: SUNM A36}}}", "did you mean 'name'"),
        ("entities: {suppliers: {fields: {supplier_id: null}}}", "a key column needs a field"),
        ("entities: {suppliers: {order: [exprot]}}", "did you mean 'export'"),
        ("entities: {suppliers: {further_fields: {name: CFI1 A10}}}", "the name is taken"),
        ("entities: {suppliers: {further_fields: {_mine: CFI1 A10}}}", "the name is taken"),
        ("separators: ['||']", "one character"),
        ("entities: {suppliers: {fields: {name: suno A10}}}", "upper-case"),
        ("- a", "a catalog is a mapping"),
        ("a: [", "not valid YAML"),
    ],
)
def test_mistakes_are_named(own: Path, text: str, message: str) -> None:
    own.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        load_m3_catalog(own)
    assert str(own) in str(caught.value)


def test_a_missing_file_is_named(own: Path) -> None:
    with pytest.raises(ConfigError, match=r"acme\.yaml: cannot read"):
        load_m3_catalog(own)


def test_an_empty_file_changes_nothing(own: Path) -> None:
    own.write_text("# nothing yet\n")
    assert load_m3_catalog(own) == load_m3_catalog()
