"""Mappings in YAML: what may be said, what a slip of the pen is answered, and what is shipped."""

from pathlib import Path

import pytest

from ml_connector_dagster.config.loading import load_project
from ml_connector_dagster.config.mapping_checks import mapping_problems
from ml_connector_dagster.config.mappings import (
    APPLICATION_TYPES,
    EntityMapping,
    resolved_mapping,
    shipped_mappings,
)
from ml_connector_dagster.config.settings import read_settings
from ml_connector_dagster.destinations.applications.placements import mapped_entity
from ml_connector_dagster.destinations.applications.structures import wanted_shapes
from ml_connector_dagster.model.companions import COMPANIONS
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.errors import ConfigError


FILE = """\
connections:
  acme: {{type: cloudsuite, product_line: m3, credential: acme, timezone: UTC}}
  crm: {{type: salesforce, domain: acme.my, credential: crm}}
  boards: {{type: monday, credential: boards}}
  warehouse: {{type: duckdb, path: w.duckdb}}
flows:
  erp:
    source: acme
    companies: ["100"]
    entities: {entities}
    start_date: 2025-11-01
    destinations:
      - {destination}
"""


def load(folder: Path, destination: str, entities: str = "[suppliers, purchase_orders]") -> str:
    """ "" when the file is right, else its problems without the file's name."""
    file = folder / "f.yaml"
    file.write_text(FILE.format(destination=destination, entities=entities))
    try:
        project = load_project(file, read_settings({"ML_CONNECTOR_HOME": str(folder)}))
    except ConfigError as error:
        return str(error).replace(f"{file}:13: flows.erp.destinations[0]", "")
    return ",".join(one.name for one in project.flows["erp"].destinations)


#: What stands in the destination, and what is answered.
WRITTEN = [
    ("{connection: crm}", "crm"),
    ("{connection: boards, mapping: {suppliers: {fields: {Country: }}}}", "boards"),
    ("{connection: warehouse, schema: erp}", "warehouse.erp"),
    ("{connection: crm, schema: erp}", ".schema: crm is a salesforce connection, which has none"),
    ("{connection: crm, tables: shared}", ".tables: crm is a salesforce connection, which has none"),
    (
        "{connection: warehouse, mapping: {suppliers: {}}}",
        ".mapping: warehouse is a duckdb connection, which takes every column as it is",
    ),
    (
        "{connection: crm, mapping: {payments: {}}}",
        ".mapping.payments: the flow does not read payments; one of: purchase_orders, suppliers",
    ),
    (
        "{connection: crm, mapping: {suppliers: {style: task}}}",
        ".mapping.suppliers.style: salesforce knows no style 'task' for suppliers; it has one way only",
    ),
    (
        "{connection: crm, mapping: {purchase_orders: {style: tsk}}}",
        ".mapping.purchase_orders.style: salesforce knows no style 'tsk' for purchase_orders; did you mean 'task'?",
    ),
    (
        "{connection: crm, mapping: {suppliers: {fields: {Phone: telephone}}}}",
        ".mapping.suppliers.fields.Phone: suppliers has no column 'telephone'; did you mean 'phone'?",
    ),
    (
        "{connection: crm, mapping: {suppliers: {fields: {Phone: {column: phone, constant: 1}}}}}",
        ".mapping.suppliers.fields.Phone: a field has one of: column, columns, constant, parent",
    ),
    (
        "{connection: crm, mapping: {suppliers: {filter: [{column: status}]}}}",
        ".mapping.suppliers.filter[0]: a condition has a column and one of: equals, differs, below, at_most, above, "
        "at_least, one_of, none_of, present",
    ),
    (
        "{connection: crm, mapping: {suppliers: {filter: [{column: status, equals: 20}]}}}",
        ".mapping.suppliers.filter[0].equals: status is compared with a text in quotes, got 20",
    ),
    (
        "{connection: crm, mapping: {purchase_orders: {filter: [{column: order_date, above: soon}]}}}",
        ".mapping.purchase_orders.filter[0].above: order_date is compared with a date like 2025-11-01, got 'soon'",
    ),
    (
        "{connection: crm, mapping: {suppliers: {field: {}}}}",
        ".mapping.suppliers.field: unknown key 'field'; did you mean 'fields'?",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("destination", "said"), WRITTEN)
def test_what_is_written_is_taken_or_told_what_would_be_right(
    destination: str, said: str, tmp_path: Path
) -> None:
    assert load(tmp_path, destination) == said


def test_an_open_amount_needs_payments_and_contacts_need_who_they_belong_to(tmp_path: Path) -> None:
    unpaid = "{connection: crm, mapping: {supplier_invoices: {filter: [{column: open_amount, differs: 0}]}}}"
    assert load(tmp_path, unpaid, entities="[suppliers, supplier_invoices, payments]") == "crm"
    assert load(tmp_path, unpaid, entities="[suppliers, supplier_invoices]") == (
        ".mapping.supplier_invoices.filter[0].column: open_amount follows from payments; add payments to the flow's "
        "entities"
    )
    contacts = "{connection: crm, mapping: {customer_contacts: {}}}"
    assert load(tmp_path, contacts, entities="[customers]") == "crm"
    said = load(tmp_path, contacts)
    assert said.startswith(".mapping.customer_contacts: the flow does not read customers")
    boards = load(tmp_path, contacts.replace("crm", "boards"), entities="[customers]")
    assert "no mapping of customer_contacts is shipped for monday" in boards


def test_a_link_needs_its_parent_at_the_destination(tmp_path: Path) -> None:
    said = load(tmp_path, "{connection: crm}", entities="[purchase_orders]")
    assert said == (
        ": the field links to suppliers, which no flow delivers to this destination; add suppliers to the flow's "
        "entities, or leave the field out: Account__c: (no value)"
    )
    without = "{connection: crm, mapping: {purchase_orders: {fields: {Account__c: }}}}"
    assert load(tmp_path, without, entities="[purchase_orders]") == "crm"


DOMAINS = {
    "acme.my": True,
    "acme--test.sandbox.my": True,
    "https://acme.my.salesforce.com": True,
    "login": False,
    "test": False,
    "acme": False,
}


@pytest.mark.parametrize(("domain", "right"), DOMAINS.items())
def test_client_credentials_need_the_my_domain(domain: str, right: bool, tmp_path: Path) -> None:
    file = tmp_path / "f.yaml"
    file.write_text(
        f"connections:\n  crm: {{type: salesforce, domain: '{domain}', credential: crm}}\n"
    )
    settings = read_settings({"ML_CONNECTOR_HOME": str(tmp_path)})
    if right:
        load_project(file, settings)
    else:
        with pytest.raises(ConfigError, match=r"like acme\.my"):
            load_project(file, settings)


STYLES = [
    (system, entity, style)
    for system in APPLICATION_TYPES
    for entity, mapping in shipped_mappings(system).items()
    for style in ("", *mapping.styles)
]


@pytest.mark.parametrize(("system", "entity", "style"), STYLES)
def test_every_shipped_mapping_fits_its_entity(system: str, entity: str, style: str) -> None:
    flow = EntityMapping(style=style)
    assert list(mapping_problems(system, entity, flow, frozenset(ENTITIES))) == []
    mapped = mapped_entity(system, entity, {entity: flow})
    assert mapped.placement.key_field in mapped.placement.shape.fields


@pytest.mark.parametrize("system", APPLICATION_TYPES)
def test_every_entity_has_a_shipped_mapping(system: str) -> None:
    shipped = [name for name in shipped_mappings(system) if name not in COMPANIONS]
    assert shipped == list(ENTITIES)


def test_a_flow_changes_fields_one_by_one_and_everything_else_as_a_whole() -> None:
    shipped = resolved_mapping("monday", "suppliers", None)
    flow = EntityMapping.model_validate(
        {"object": "Vendors", "fields": {"Country": None, "Terms": "payment_terms"}}
    )
    mapping = resolved_mapping("monday", "suppliers", flow)
    assert mapping.object == "Vendors"
    assert mapping.key == shipped.key
    assert set(mapping.fields) == set(shipped.fields) - {"Country"} | {"Terms"}


def test_setup_makes_parents_before_what_links_to_them() -> None:
    mapped = [mapped_entity("salesforce", name, {}) for name in reversed(list(ENTITIES))]
    names = [shape.name for shape in wanted_shapes(mapped)]
    assert names.index("Account") < names.index("ERP_PO__c") < names.index("ERP_PO_Line__c")
    assert names.count("Account") == 1, "suppliers and customers share it"
