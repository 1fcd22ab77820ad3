"""Which value a rule gives for a row, and what a filter lets through."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from ml_connector_dagster.config.mappings import EntityMapping
from ml_connector_dagster.destinations.applications.checks import fitted
from ml_connector_dagster.destinations.applications.contract import FieldKind, FieldValue
from ml_connector_dagster.destinations.applications.drafts import Draft, draft
from ml_connector_dagster.destinations.applications.placements import mapped_entity
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster_tests.contracts.staged import row


ORDERS = ENTITIES["purchase_orders"]
LINES = ENTITIES["purchase_order_lines"]
INVOICES = ENTITIES["supplier_invoices"]
STATUS = {"column": "status_lowest", "values": {"20": "Ordered", "85": "Invoiced"}}


def drafted(entity: str, mapping: dict[str, Any], staged: dict[str, Any]) -> Draft:
    """The row under a mapping that replaces the shipped fields' rules of the same names."""
    flow = {entity: EntityMapping.model_validate(mapping)}
    return draft(mapped_entity("monday", entity, flow), staged)


#: rule, values of the row, what comes of it
RULES: list[tuple[Any, dict[str, Any], FieldValue]] = [
    ("buyer", {"buyer": "ANN"}, "ANN"),
    ("buyer", {"buyer": None}, None),
    ("buyer", {"buyer": ""}, None),
    ("net_amount", {"net_amount": Decimal("10.500000")}, Decimal("10.500000")),
    ("order_date", {"order_date": date(2025, 11, 1)}, date(2025, 11, 1)),
    ({"column": "net_amount", "kind": "text"}, {"net_amount": Decimal("10.500000")}, "10.5"),
    ({"column": "net_amount", "kind": "text"}, {"net_amount": Decimal("0.000000")}, "0"),
    ({"column": "net_amount", "kind": "text"}, {"net_amount": Decimal("1000.000000")}, "1000"),
    (
        {"columns": ["buyer", "warehouse", "currency"], "between": "/"},
        {"buyer": "ANN", "warehouse": None, "currency": "SEK"},
        "ANN/SEK",
    ),
    ({"columns": ["buyer", "warehouse"]}, {}, None),
    ({"constant": "ERP"}, {}, "ERP"),
    ({"constant": 1.5}, {}, Decimal("1.5")),
    (STATUS, {"status_lowest": "20"}, "Ordered"),
    (STATUS, {"status_lowest": "35"}, "35"),
    ({**STATUS, "otherwise": "Other"}, {"status_lowest": "35"}, "Other"),
    ({**STATUS, "otherwise": "Other"}, {"status_lowest": None}, "Other"),
]


@pytest.mark.parametrize(("rule", "values", "expected"), RULES)
def test_a_rule_gives_a_value(rule: Any, values: dict[str, Any], expected: FieldValue) -> None:
    one = drafted("purchase_orders", {"fields": {"X": rule}}, row(ORDERS, "PO1", **values))
    assert one.fields["X"] == expected
    assert type(one.fields["X"]) is type(expected)


def test_flags_are_flags_or_the_labels_of_a_value_map() -> None:
    mapping = {
        "fields": {
            "A": "is_approved",
            "B": {"column": "is_approved", "values": {"true": "Yes", "false": "No"}},
        }
    }
    one = drafted("supplier_invoices", mapping, row(INVOICES, "", "S", "I", 2025, is_approved=True))
    assert (one.fields["A"], one.fields["B"]) == (True, "Yes")
    mapped = mapped_entity(
        "monday", "supplier_invoices", {"supplier_invoices": EntityMapping.model_validate(mapping)}
    )
    assert mapped.placement.fields["A"] is FieldKind.FLAG


#: condition, value of the column, whether it is met
CONDITIONS: list[tuple[dict[str, Any], Any, bool]] = [
    ({"column": "status_lowest", "below": "85"}, "75", True),
    ({"column": "status_lowest", "below": "85"}, "85", False),
    ({"column": "status_lowest", "below": "85"}, None, False),
    ({"column": "status_lowest", "at_most": "85"}, "85", True),
    ({"column": "status_lowest", "one_of": ["20", "35"]}, "35", True),
    ({"column": "status_lowest", "one_of": ["20", "35"]}, "36", False),
    ({"column": "status_lowest", "none_of": ["20", "35"]}, "36", True),
    ({"column": "status_lowest", "none_of": ["20", "35"]}, None, True),
    ({"column": "status_lowest", "differs": "20"}, "20", False),
    ({"column": "status_lowest", "present": True}, None, False),
    ({"column": "status_lowest", "present": False}, None, True),
    ({"column": "net_amount", "above": 0}, Decimal("0.000001"), True),
    ({"column": "net_amount", "at_least": 0.1}, Decimal("0.1"), True),
    ({"column": "order_date", "at_least": "2025-11-01"}, date(2025, 10, 31), False),
    ({"column": "_modified_at", "above": "2025-11-01T00:00:00+00:00"}, None, False),
]


@pytest.mark.parametrize(("condition", "value", "met"), CONDITIONS)
def test_a_filter_lets_through(condition: dict[str, Any], value: Any, met: bool) -> None:
    staged = row(ORDERS, "PO1") | {condition["column"]: value}
    assert drafted("purchase_orders", {"filter": [condition]}, staged).wanted is met


def test_a_parent_is_in_the_same_tenant_and_company() -> None:
    one = drafted("purchase_order_lines", {}, row(LINES, "P/1", 1, 0, company="200"))
    assert one.parents == {"Purchase order": "ACME_TST/200/P%2F1"}


def test_a_row_that_names_no_parent_has_none() -> None:
    assert drafted("purchase_orders", {}, row(ORDERS, "PO1")).parents == {"Supplier": None}
    blank = row(ORDERS, "PO1", supplier_id="")
    assert drafted("purchase_orders", {}, blank).parents == {"Supplier": None}


def test_content_changes_with_mapped_columns_and_with_nothing_else() -> None:
    first = drafted("purchase_orders", {}, row(ORDERS, "PO1", buyer="ANN", project="A"))
    other_project = drafted("purchase_orders", {}, row(ORDERS, "PO1", buyer="ANN", project="B"))
    other_buyer = drafted("purchase_orders", {}, row(ORDERS, "PO1", buyer="BOB", project="A"))
    elsewhere = drafted(
        "purchase_orders", {"object": "Orders"}, row(ORDERS, "PO1", buyer="ANN", project="A")
    )
    assert first.content == other_project.content
    assert len({first.content, other_buyer.content, elsewhere.content}) == 3


#: value, digits after the point that the field has, whether it may be cut, what is sent, why it is refused
FITTING: list[tuple[str, int, bool, str, str]] = [
    ("12.340000", 2, False, "12.34", ""),
    ("12.345000", 3, False, "12.345", ""),
    ("12.345000", 2, False, "12.345", "X: 12.345000 has more than 2 digits after the point"),
    ("12.345000", 2, True, "12.35", ""),
    ("-12.345000", 2, True, "-12.35", ""),
    ("0.000001", 0, True, "0", ""),
    ("12345678901234567", 2, True, "12345678901234567", "X: 12345678901234567.00 has more than 16"),
]


@pytest.mark.parametrize(("value", "after", "cut", "sent", "refusal"), FITTING)
def test_a_number_that_the_application_would_round_is_refused_or_rounded_when_the_mapping_says_so(
    value: str, after: int, cut: bool, sent: str, refusal: str
) -> None:
    mapping = {"fields": {"X": {"column": "net_amount", "cut": cut}}}
    flow = {"purchase_orders": EntityMapping.model_validate(mapping)}
    mapped = mapped_entity("monday", "purchase_orders", flow)
    shape = mapped.placement.shape
    there = {
        name: replace(field, digits=(18, after)) if name == "X" else replace(field, required=False)
        for name, field in shape.fields.items()
    }
    one = draft(mapped, row(ORDERS, "PO1", net_amount=Decimal(value)))
    fitting = fitted(mapped, replace(shape, fields=there), one)
    assert fitting.fields["X"] == Decimal(sent)
    assert refusal in fitting.refusal
    assert bool(fitting.refusal) == bool(refusal)
