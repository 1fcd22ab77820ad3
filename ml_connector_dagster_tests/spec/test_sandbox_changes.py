"""What happens in the sandbox's ERP: exactly what was asked for, stamped by its clock."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.sandbox import ErpSize, Sandbox, SandboxOptions
from ml_connector_dagster_tests.spec.sandbox_calls import Caller


Rows = dict[tuple[object, ...], dict[str, object]]


def rows(sandbox: Sandbox, entity: str) -> Rows:
    key = ENTITIES[entity].key
    return {
        (row["company"], *(row[part] for part in key)): dict(row)
        for row in sandbox.erp.truth(entity)
    }


@pytest.mark.parametrize("entity", ENTITIES)
def test_a_change_changes_exactly_the_records_it_names(sandbox: Sandbox, entity: str) -> None:
    before = rows(sandbox, entity)
    keys = sandbox.erp.change(entity, 6, seed=5)
    after = rows(sandbox, entity)
    assert len(set(keys)) == 6
    assert set(after) == set(before)
    assert {key for key in after if after[key] != before[key]} == set(keys)
    # And again: a change always changes.
    sandbox.erp.change(entity, seed=5, keys=keys)
    again = rows(sandbox, entity)
    assert {key for key in again if again[key] != after[key]} == set(keys)


@pytest.mark.parametrize("entity", [name for name in ENTITIES if name != "gl_balances"])
def test_records_come_and_go(sandbox: Sandbox, entity: str) -> None:
    before = rows(sandbox, entity)
    added = sandbox.erp.insert(entity, 4, "200")
    with_added = rows(sandbox, entity)
    assert set(with_added) - set(before) == set(added)
    assert {key[0] for key in added} == {"200"}
    gone = sandbox.erp.delete(entity, keys=added[:3])
    left = rows(sandbox, entity)
    assert set(with_added) - set(left) == set(gone) == set(added[:3])
    sandbox.erp.reset()
    assert rows(sandbox, entity) == before


def test_headers_take_their_lines_along(sandbox: Sandbox) -> None:
    key = sandbox.erp.insert("purchase_orders", 1, "100")[0]
    lines = [k for k in rows(sandbox, "purchase_order_lines") if k[:2] == key]
    assert lines
    sandbox.erp.delete("purchase_orders", keys=[key])
    assert not [k for k in rows(sandbox, "purchase_order_lines") if k[:2] == key]
    company, division, supplier, number, year = sandbox.erp.insert("supplier_invoices", 1)[0]
    found = [
        row
        for row in rows(sandbox, "supplier_invoice_lines").values()
        if (row["company"], row["division"], row["supplier_id"]) == (company, division, supplier)
        and (row["invoice_number"], row["invoice_year"]) == (number, year)
    ]
    assert found


def test_touching_stamps_without_changing(caller: Caller) -> None:
    sandbox = caller.sandbox
    before = rows(sandbox, "items")
    mark = sandbox.clock.milliseconds()
    keys = sandbox.erp.touch("items", 4, "100")
    assert rows(sandbox, "items") == before
    touched = caller.export(f"MMITNO from MITMAS where MMLMTS >= {mark}")
    assert sorted(row[0].strip() for row in touched) == sorted(str(key[1]) for key in keys)


def test_stamps_follow_the_clock_and_count(caller: Caller) -> None:
    sandbox = caller.sandbox
    sandbox.clock.set(datetime(2030, 6, 30, 23, 30, tzinfo=UTC))  # already July in Stockholm
    (key,) = sandbox.erp.change("customers", 1, "100", seed=1)
    query = f"OKLMDT,OKCHNO,OKCHID,OKLMTS from OCUSMA where OKCUNO='{key[1]}'"
    first = caller.export(query)[0]
    assert (first[0], first[2]) == ("20300701", "SANDBOX")
    assert abs(int(first[3]) - sandbox.clock.milliseconds()) < 60_000
    sandbox.erp.change("customers", keys=[key], day=date(2029, 1, 2))
    second = caller.export(query)[0]
    assert second[0] == "20290102"
    assert int(second[1]) == int(first[1]) + 1


def test_a_changed_balance_has_its_voucher(sandbox: Sandbox) -> None:
    before = rows(sandbox, "gl_balances")
    count = sandbox.erp.database.number("SELECT count(*) FROM FGLEDG")
    (key,) = sandbox.erp.change("gl_balances", 1)
    after = rows(sandbox, "gl_balances")
    risen = Decimal(str(after[key]["debit"])) - Decimal(str(before[key]["debit"]))
    assert risen > 0
    assert Decimal(str(after[key]["credit"])) - Decimal(str(before[key]["credit"])) == risen
    assert sandbox.erp.database.number("SELECT count(*) FROM FGLEDG") == count + 2
    with pytest.raises(ValueError, match="use change"):
        sandbox.erp.insert("gl_balances")
    with pytest.raises(ValueError, match="does not forget"):
        sandbox.erp.delete("gl_balances")


def test_any_value_can_be_written_into_a_field(caller: Caller) -> None:
    erp = caller.sandbox.erp
    erp.set_field("FPLEDG", ("100", "AAA", 2024, 1, 1), "CUAM", "12x4", stamp=False)
    assert ["12x4"] in caller.export("EPCUAM from FPLEDG where EPYEA4=2024 and EPJRNO=1")
    erp.set_field("OCUSMA", {"CONO": 100, "OKCUNO": "C00001"}, "OKRGDT", 20269999)
    erp.set_field("OCUSMA", {"CONO": 100, "CUNO": "C00002"}, "CUNM", 'pipe | quote " \n end')
    names = {row["customer_id"]: row["name"] for row in erp.truth("customers", "100")}
    assert names["C00002"] == 'pipe | quote " \n end'
    with pytest.raises(KeyError, match="no row"):
        erp.set_field("OCUSMA", (100, "NONE"), "CUNM", "x")
    with pytest.raises(KeyError, match="no field 'XXXX'"):
        erp.set_field("OCUSMA", (100, "C00001"), "XXXX", "x")


def test_what_cannot_be_done_says_why(sandbox: Sandbox) -> None:
    with pytest.raises(KeyError, match="unknown entity 'vendors'"):
        sandbox.erp.change("vendors")
    with pytest.raises(ValueError, match="suppliers has 20 records, not 21"):
        sandbox.erp.change("suppliers", 21)
    with pytest.raises(KeyError, match="suppliers has no record"):
        sandbox.erp.touch("suppliers", keys=[("100", "NONE")])


def test_the_clock_moves_and_goes_on(sandbox: Sandbox) -> None:
    before = sandbox.clock.now()
    sandbox.clock.advance(days=2, hours=1)
    assert sandbox.clock.now() - before >= timedelta(days=2, hours=1)
    sandbox.clock.set(datetime(2031, 1, 1, 12, tzinfo=UTC))
    assert sandbox.clock.today() == date(2031, 1, 1)
    with pytest.raises(ValueError, match="aware"):
        sandbox.clock.set(datetime(2031, 1, 1))  # noqa: DTZ001 - that is the point
    sandbox.reset()
    assert abs((sandbox.clock.now() - datetime.now(UTC)).total_seconds()) < 5


def test_a_sandbox_can_live_at_another_time() -> None:
    options = SandboxOptions(size=ErpSize.tiny(), now=datetime(2024, 2, 29, 12, tzinfo=UTC))
    with Sandbox.start(options) as other:
        assert other.today == other.clock.today() == date(2024, 2, 29)
        assert other.erp.truth("items", changed_from=date(2024, 2, 29))
        other.clock.advance(days=3)
        other.reset()
        assert other.clock.today() == date(2024, 2, 29)
