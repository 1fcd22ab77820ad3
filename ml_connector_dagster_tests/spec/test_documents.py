"""Business object documents, in any order, doubled, older, malformed: the tables hold what the ERP has."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ml_connector_dagster.cloudsuite.bods.nouns import load_nouns
from ml_connector_dagster.config.cloudsuite import CloudSuiteConnection
from ml_connector_dagster.config.intakes import DocumentIntake
from ml_connector_dagster.config.project import Project
from ml_connector_dagster.ledger import Ledger
from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster.sandbox.bods import BodSender
from ml_connector_dagster.sandbox.bods.sender import NOUNS
from ml_connector_dagster.sync.documents import Intake, deliver_documents, take_documents
from ml_connector_dagster_tests.world import Row, World, business, key_of


class DocumentWorld(World):
    """A world that takes documents from ``inbox``."""

    @property
    def inbox(self) -> Path:
        return self.folder / "inbox"

    @property
    def project(self) -> Project:
        usual = super().project
        connection = usual.connections["acme"]
        assert isinstance(connection, CloudSuiteConnection)
        intake = DocumentIntake(folder=self.inbox, tenant_id="ACME_TST")
        taking = connection.model_copy(update={"bods": intake})
        return Project(connections={**usual.connections, "acme": taking}, flows=usual.flows)

    def put(self, *documents: bytes) -> None:
        sender = BodSender(erp=self.sandbox.erp)
        for content in documents:
            self.runs += 1
            sender.publish(self.inbox, f"{self.runs:04}.xml", content)

    def take(self, *documents: bytes) -> Intake:
        self.put(*documents)
        with self.open() as workspace:
            intake = take_documents(workspace, "acme", run_id=f"documents-{self.runs}")
            results = deliver_documents(workspace, "acme", intake, run_id="documents")
        assert [one.error for one in results if one.error] == []
        return intake

    def one(self, entity: str, *key: str) -> Row:
        return self.found(entity)["/".join(("acme", *key))]


def world_of(sandbox: Sandbox, folder: Path, *entities: str) -> DocumentWorld:
    return DocumentWorld(sandbox, folder, entities or ("suppliers",), companies=("100",))


def suppliers(sandbox: Sandbox, count: int) -> list[str]:
    return [str(row["supplier_id"]) for row in sandbox.erp.truth("suppliers", "100")][:count]


def test_a_document_brings_the_record_as_a_read_does(sandbox: Sandbox, tmp_path: Path) -> None:
    world = world_of(sandbox, tmp_path)
    (key,) = suppliers(sandbox, 1)
    sender = BodSender(erp=sandbox.erp)
    world.run_well()
    before = world.one("suppliers", "100", key)
    sandbox.erp.change("suppliers", keys=[("100", key)])
    assert world.take(sender.document("SupplierPartyMaster", "100", key)).taken == 1
    after = world.one("suppliers", "100", key)
    assert business("suppliers", after) != business("suppliers", before)
    # What the document does not hold stands as it was: the row equals the ERP's in every column.
    world.assert_equals_the_erp()
    # The ordinary read finds nothing to do: the same content has the same hash.
    world.run_well()
    assert world.one("suppliers", "100", key)["_row_hash"] == after["_row_hash"]


def test_an_order_brings_its_lines(sandbox: Sandbox, tmp_path: Path) -> None:
    world = world_of(sandbox, tmp_path, "purchase_orders", "purchase_order_lines")
    key = str(sandbox.erp.truth("purchase_orders", "100")[0]["purchase_order_id"])
    world.take(BodSender(erp=sandbox.erp).document("PurchaseOrder", "100", key, verb="Process"))
    order = world.one("purchase_orders", "100", key)
    truth = BodSender(erp=sandbox.erp).row("PurchaseOrder", "100", key)
    for column in ("supplier_id", "order_date", "net_amount", "currency", "warehouse"):
        assert order[column] == truth[column]
    lines = world.found("purchase_order_lines")
    expected = [
        row
        for row in sandbox.erp.truth("purchase_order_lines", "100")
        if row["purchase_order_id"] == key
    ]
    assert {
        (row["line_number"], row["ordered_quantity"], row["line_amount"], row["item_id"])
        for row in lines.values()
    } == {
        (row["line_number"], row["ordered_quantity"], row["line_amount"], row["item_id"])
        for row in expected
    }


def test_an_older_variation_and_a_doubled_one_change_nothing(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    world = world_of(sandbox, tmp_path)
    (key,) = suppliers(sandbox, 1)
    sender = BodSender(erp=sandbox.erp)
    first = sender.document("SupplierPartyMaster", "100", key)
    sandbox.erp.change("suppliers", keys=[("100", key)])
    second = sender.document("SupplierPartyMaster", "100", key)
    world.take(second)
    now = world.one("suppliers", "100", key)
    for late in (first, second):
        intake = world.take(late)
        assert (intake.taken, intake.outdated) == (0, 1)
    assert world.one("suppliers", "100", key) == now


def test_what_a_document_leaves_out_keeps_its_value_and_what_is_empty_is_null(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    world = world_of(sandbox, tmp_path)
    (key,) = suppliers(sandbox, 1)
    sender = BodSender(erp=sandbox.erp)
    world.take(sender.document("SupplierPartyMaster", "100", key))
    before = world.one("suppliers", "100", key)
    changed = sender.document(
        "SupplierPartyMaster", "100", key, action="Change", leave_out=["Name"]
    )
    world.take(
        changed.replace(b"<PaymentTermID>", b"<PaymentTermID><!--").replace(
            b"</PaymentTermID>", b"--></PaymentTermID>"
        )
    )
    after = world.one("suppliers", "100", key)
    assert after["name"] == before["name"]
    assert before["payment_terms"] is not None
    assert after["payment_terms"] is None


def test_a_deleted_record_is_marked_and_an_added_one_comes_back(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    world = world_of(sandbox, tmp_path)
    (key,) = suppliers(sandbox, 1)
    sender = BodSender(erp=sandbox.erp)
    world.run_well()
    world.take(sender.document("SupplierPartyMaster", "100", key, action="Delete"))
    assert world.one("suppliers", "100", key)["_deleted_at"] is not None
    world.take(sender.document("SupplierPartyMaster", "100", key, action="Add"))
    assert world.one("suppliers", "100", key)["_deleted_at"] is None
    world.assert_equals_the_erp()


BOMB = b"""<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>
<SyncSupplierPartyMaster><DataArea><Sync/><SupplierPartyMaster><Name>&b;</Name></SupplierPartyMaster></DataArea></SyncSupplierPartyMaster>"""


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda text: text[:200], "not well-formed XML"),
        (lambda text: BOMB, "has a DOCTYPE"),
        (lambda text: text.replace(b"100_AAA", b"999_AAA"), "has company '999'"),
        (lambda text: text.replace(b"ACME_TST", b"OTHER"), "is of tenant 'OTHER'"),
        (lambda text: text.replace(b'"Replace"', b'"Destroy"'), "action code 'Destroy'"),
        (
            lambda text: text.replace(b"SyncSupplier", b"ShowSupplier"),
            "neither a Sync nor a Process",
        ),
        (lambda text: text.replace(b"SupplierPartyMaster", b"Weather"), "no mapping for the noun"),
        (lambda text: text.replace(b'variationID="1"', b'variationID="x"'), "is not a number"),
    ],
    ids=["torn", "bomb", "company", "tenant", "action", "verb", "noun", "variation"],
)
def test_a_document_that_cannot_be_used_is_kept_with_its_reason_and_holds_no_other(
    sandbox: Sandbox, tmp_path: Path, spoil: object, reason: str
) -> None:
    assert callable(spoil)
    world = world_of(sandbox, tmp_path)
    bad, good = suppliers(sandbox, 2)
    sender = BodSender(erp=sandbox.erp)
    spoiled = spoil(sender.document("SupplierPartyMaster", "100", bad))
    intake = world.take(spoiled, sender.document("SupplierPartyMaster", "100", good))
    assert intake.taken == 1
    assert [one.file for one in intake.refused] == ["0001.xml"]
    assert reason in intake.refused[0].reason
    assert (world.inbox / "rejected" / "0001.xml").read_bytes() == spoiled
    assert reason in (world.inbox / "rejected" / "0001.xml.reason.txt").read_text()
    assert (world.inbox / "done" / "0002.xml").is_file()
    assert len(world.found("suppliers")) == 1
    with Ledger.open(world.settings.ledger_url) as ledger:
        (letter,) = ledger.dead_letters(tenant="acme")
        assert reason in letter.reason
    # Corrected and put there again under its name, it is taken and its letter closed.
    sender.variations.clear()
    sender.publish(world.inbox, "0001.xml", sender.document("SupplierPartyMaster", "100", bad))
    assert world.take().taken == 1
    with Ledger.open(world.settings.ledger_url) as ledger:
        assert ledger.dead_letters(tenant="acme") == ()


def histories(sandbox: Sandbox, sender: BodSender, keys: Sequence[str]) -> list[list[bytes]]:
    """For each supplier four documents, oldest first: two changes, a deletion for some, perhaps a return."""
    found = []
    for number, key in enumerate(keys):
        story = []
        for turn in range(4):
            sandbox.erp.change("suppliers", keys=[("100", key)], seed=turn)
            action = "Delete" if turn + number in (3, 4) else "Replace"
            story.append(sender.document("SupplierPartyMaster", "100", key, action=action))
        found.append(story)
    return found


@settings(
    max_examples=int(os.environ.get("ML_CONNECTOR_EXAMPLES", "4")),
    deadline=None,
    derandomize="ML_CONNECTOR_EXAMPLES" not in os.environ,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(seed=st.integers(0, 1000), portions=st.integers(1, 4), read_first=st.booleans())
def test_documents_in_any_order_and_doubled_end_as_those_in_order_do(
    sandbox: Sandbox, seed: int, portions: int, read_first: bool
) -> None:
    sandbox.reset()
    random = Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        worlds = [world_of(sandbox, Path(folder) / name) for name in ("in_order", "shuffled")]
        if read_first:
            for world in worlds:
                world.run_well()
        keys = suppliers(sandbox, 3)
        stories = histories(sandbox, BodSender(erp=sandbox.erp), keys)
        in_order, shuffled = worlds
        for story in stories:
            for content in story:
                in_order.take(content)
        mixed = [content for story in stories for content in story]
        mixed += random.sample(mixed, 4)
        random.shuffle(mixed)
        for start in range(portions):
            shuffled.take(*mixed[start::portions])
        ends = [
            {
                record_id: (business("suppliers", row), row["_deleted_at"] is not None)
                for record_id, row in world.found("suppliers").items()
            }
            for world in worlds
        ]
        known = {record_id for record_id, (_, gone) in ends[0].items() if not gone}
        # A record that was only ever deleted before anybody knew it leaves no row: nobody was told of it.
        assert {k: v for k, v in ends[1].items() if k in known} == {
            k: v for k, v in ends[0].items() if k in known
        }
        assert all(gone for k, (_, gone) in ends[1].items() if k not in known)
        truth = {row["supplier_id"]: row for row in sandbox.erp.truth("suppliers", "100")}
        for record_id in known:
            row = ends[0][record_id][0]
            assert row["name"] == truth[row["supplier_id"]]["name"]


#: Noun → what it fills of the record, besides the key.
FILLED = {
    "SupplierPartyMaster": ("name", "status", "country", "phone", "vat_number", "buyer"),
    "CustomerPartyMaster": ("name", "status", "city", "postal_code", "country", "phone"),
    "ItemMaster": ("name", "status", "unit", "item_group"),
    "PurchaseOrder": ("supplier_id", "order_date", "currency", "net_amount", "warehouse"),
    "SupplierInvoice": ("invoice_date", "currency", "amount", "vat_amount"),
    "PayableTransaction": ("invoice_date", "due_date", "currency", "amount"),
    "ChartOfAccounts": ("name",),
    "CodeDefinition": ("name",),
}


@pytest.mark.parametrize("noun", load_nouns())
def test_every_noun_that_is_mapped_brings_the_records_of_the_erp(
    sandbox: Sandbox, tmp_path: Path, noun: str
) -> None:
    kind = NOUNS[noun]
    entities = [name for name in (kind.entity, kind.lines) if name]
    world = world_of(sandbox, tmp_path, *entities)
    sender = BodSender(erp=sandbox.erp)
    truth = {
        "/".join(str(row[name]) for name in kind.key): row
        for row in sandbox.erp.truth(kind.entity, "100")
    }
    wanted = [
        *list(truth)[:3],
        *(key for key, row in truth.items() if str(row.get("amount"))[0] == "-"),
    ]
    world.take(*(sender.document(noun, "100", key) for key in wanted))
    found = {
        "/".join(str(row[name]) for name in kind.key): row
        for row in world.found(kind.entity).values()
    }
    assert set(found) == set(wanted)
    for key, row in found.items():
        assert row["_problems"] is None
        for column in (*kind.key, *FILLED[noun]):
            assert row[column] == truth[key][column], (key, column)
    if kind.lines:
        lines = {key_of(kind.lines, row): row for row in sandbox.erp.truth(kind.lines, "100")}
        arrived = world.found(kind.lines)
        assert len(arrived) == sum(
            any(kind.names(row, key) for key in wanted) for row in lines.values()
        )
        for one in arrived.values():
            assert one["item_id"] == lines[key_of(kind.lines, one)]["item_id"]


@pytest.mark.parametrize("noun", load_nouns())
def test_a_document_on_a_record_that_was_read_changes_nothing_else(
    sandbox: Sandbox, tmp_path: Path, noun: str
) -> None:
    kind = NOUNS[noun]
    entities = [name for name in (kind.entity, kind.lines) if name]
    world = world_of(sandbox, tmp_path, *entities)
    world.run_well()
    (row, *_) = sandbox.erp.truth(kind.entity, "100")
    key = "/".join(str(row[name]) for name in kind.key)
    world.take(BodSender(erp=sandbox.erp).document(noun, "100", key))
    world.assert_equals_the_erp()


def test_one_invoice_number_of_two_suppliers_is_two_documents(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    world = world_of(sandbox, tmp_path, "supplier_invoices")
    sender = BodSender(erp=sandbox.erp)
    rows = {row["supplier_id"]: row for row in sandbox.erp.truth("supplier_invoices", "100")}
    one, other = list(rows.values())[:2]
    keys = [
        "/".join(str(row[name]) for name in NOUNS["SupplierInvoice"].key) for row in (one, other)
    ]
    number = str(one["invoice_number"]).encode()
    sender.document("SupplierInvoice", "100", keys[0])
    newer = sender.document("SupplierInvoice", "100", keys[0])  # variation 2
    first = sender.document("SupplierInvoice", "100", keys[1])  # variation 1 of the other
    same_number = first.replace(str(other["invoice_number"]).encode(), number)
    assert world.take(newer).taken == 1
    intake = world.take(same_number)
    assert (intake.taken, intake.outdated) == (1, 0)
    assert {row["supplier_id"] for row in world.found("supplier_invoices").values()} == {
        one["supplier_id"],
        other["supplier_id"],
    }


def test_a_code_that_is_no_dimension_is_taken_and_leaves_nothing(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    world = world_of(sandbox, tmp_path, "gl_dimensions")
    (row, *_) = sandbox.erp.truth("gl_dimensions", "100")
    key = "/".join(str(row[name]) for name in NOUNS["CodeDefinition"].key)
    content = BodSender(erp=sandbox.erp).document("CodeDefinition", "100", key)
    intake = world.take(content.replace(b"Accounting Dimension ", b"Payment Terms "))
    assert (intake.taken, intake.refused, intake.batches) == (1, (), ())
