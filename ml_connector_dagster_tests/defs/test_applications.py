"""Applications in Dagster: parents before children, mapped columns, links, and a run into the stand-in."""

from collections.abc import Iterator

import dagster as dg
import pytest

from ml_connector_dagster.config.applications import MondayConnection, SalesforceConnection
from ml_connector_dagster.config.mappings import Condition, EntityMapping, FieldRule
from ml_connector_dagster.config.project import Flow, FlowDestination, Project
from ml_connector_dagster.config.settings import Settings
from ml_connector_dagster.credentials import open_store
from ml_connector_dagster.defs.build import build_definitions
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.sandbox.salesforce import Fault, SalesforceSandbox
from ml_connector_dagster.sync.applications import set_up
from ml_connector_dagster_tests.defs.conftest import Installation


ENTITIES = ("purchase_orders", "suppliers", "purchase_order_lines")


@pytest.fixture(scope="module")
def org() -> Iterator[SalesforceSandbox]:
    with SalesforceSandbox.start() as running:
        yield running


@pytest.fixture
def into_crm(installation: Installation, org: SalesforceSandbox) -> Installation:
    """The installation with Salesforce in place of the warehouse, set up."""
    org.reset()
    client_id, client_secret = next(iter(org.options.clients.items()))
    secrets = {"client_id": Secret(client_id), "client_secret": Secret(client_secret)}
    open_store(installation.settings).add("crm", "salesforce", secrets)
    live = with_application(
        installation.project,
        SalesforceConnection(name="crm", domain="acme.my", credential="crm", base_url=org.url),
    )
    defs = build_definitions(live, installation.settings, now=installation.sandbox.clock.now)
    made = Installation(
        sandbox=installation.sandbox,
        settings=installation.settings,
        project=live,
        defs=defs,
        instance=installation.instance,
    )
    with made.open() as workspace:
        set_up(workspace, "crm", dry_run=False)
    return made


def with_application(
    project: Project, application: SalesforceConnection | MondayConnection
) -> Project:
    """The flow delivers to the application instead."""
    target = FlowDestination(connection=application.name).without_schema()
    flow: Flow = project.flows["purchasing"].model_copy(
        update={"destinations": (target,), "entities": ENTITIES}
    )
    connections = {"acme": project.connections["acme"], application.name: application}
    return project.model_copy(update={"connections": connections, "flows": {"purchasing": flow}})


def materialize(installation: Installation) -> dg.ExecuteInProcessResult:
    """Read and deliver everything of company 100."""
    day = installation.today.isoformat()
    keys = [
        dg.AssetKey(path)
        for entity in ENTITIES
        for path in (["acme", entity], ["acme", "crm", entity])
    ]
    return installation.defs.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=installation.instance,
        asset_selection=keys,
        tags={
            "dagster/asset_partition_range_start": f"100|{day}",
            "dagster/asset_partition_range_end": f"100|{day}",
        },
        run_config={"ops": {f"acme__{one}": {"config": {"full": True}} for one in ENTITIES}},
        raise_on_error=False,
    )


def test_children_come_after_the_parents_that_they_link_to(
    project: Project, settings: Settings
) -> None:
    crm = SalesforceConnection(name="crm", domain="acme.my", credential="crm")
    graph = build_definitions(with_application(project, crm), settings).resolve_asset_graph()
    parents = {
        key.to_user_string(): sorted(one.to_user_string() for one in graph.get(key).parent_keys)
        for key in graph.materializable_asset_keys
        if "crm" in key.path
    }
    assert parents == {
        "acme/crm/suppliers": ["acme/suppliers"],
        "acme/crm/purchase_orders": ["acme/crm/suppliers", "acme/purchase_orders"],
        "acme/crm/purchase_order_lines": [
            "acme/crm/purchase_orders",
            "acme/purchase_order_lines",
        ],
        "acme/crm/reconciliation_purchasing": [
            "acme/crm/purchase_order_lines",
            "acme/crm/purchase_orders",
            "acme/crm/suppliers",
        ],
    }


def test_a_derived_column_comes_after_and_from_what_it_follows_from(
    project: Project, settings: Settings
) -> None:
    boards = MondayConnection(name="boards", credential="boards")
    live = with_application(project, boards)
    mapping = {
        "supplier_invoices": EntityMapping(
            filter=(Condition(column="open_amount", differs=0),),
            fields={"Open amount": FieldRule(column="open_amount")},
        )
    }
    target = FlowDestination(connection="boards", mapping=mapping).without_schema()
    flow = live.flows["purchasing"].model_copy(
        update={
            "destinations": (target,),
            "entities": ("suppliers", "supplier_invoices", "payments"),
        }
    )
    unpaid = live.model_copy(update={"flows": {"purchasing": flow}})
    node = (
        build_definitions(unpaid, settings)
        .resolve_asset_graph()
        .get(dg.AssetKey(["acme", "boards", "supplier_invoices"]))
    )
    invoices, payments = (dg.AssetKey(["acme", one]) for one in ("supplier_invoices", "payments"))
    assert {invoices, payments} < node.parent_keys
    lineage = node.metadata["dagster/column_lineage"].deps_by_column
    assert set(lineage["Open amount"]) == {
        dg.TableColumnDep(invoices, "amount"),
        dg.TableColumnDep(payments, "amount"),
    }


def test_an_asset_shows_the_object_its_fields_and_where_they_come_from(
    project: Project, settings: Settings
) -> None:
    crm = SalesforceConnection(name="crm", domain="acme.my", credential="crm")
    graph = build_definitions(with_application(project, crm), settings).resolve_asset_graph()
    node = graph.get(dg.AssetKey(["acme", "crm", "purchase_orders"]))
    assert node.kinds == {"salesforce"}
    assert node.metadata["object"] == "ERP_PO__c"
    assert node.metadata["link"].url == (
        "https://acme.my.salesforce.com/lightning/o/ERP_PO__c/list"
    )
    lineage = node.metadata["dagster/column_lineage"].deps_by_column
    upstream = dg.AssetKey(["acme", "purchase_orders"])
    assert lineage["Status__c"] == [dg.TableColumnDep(upstream, "status_lowest")]
    assert lineage["Account__c"] == [dg.TableColumnDep(upstream, "supplier_id")]


def test_a_run_fills_salesforce_and_its_checks_pass(
    into_crm: Installation, org: SalesforceSandbox
) -> None:
    result = materialize(into_crm)

    assert result.success
    truth = into_crm.sandbox.erp.truth("purchase_order_lines", "100")
    assert len(org.rows("ERP_PO_Line__c")) == len(truth) > 0
    checks = {
        (one.asset_key.path[-1], one.check_name): one.passed
        for one in result.get_asset_check_evaluations()
    }
    assert checks
    assert all(checks.values()), checks
    delivered = list(into_crm.events("acme", "crm", "suppliers").values())
    assert any(one.get("link", "").endswith("/lightning/o/Account/list") for one in delivered)


def test_a_refused_record_shows_with_salesforces_own_words(
    into_crm: Installation, org: SalesforceSandbox
) -> None:
    words = "the ERP key looks wrong to our rule"
    org.faults.add(
        Fault(
            kind="record",
            sobject="Account",
            key=".",
            code="FIELD_CUSTOM_VALIDATION_EXCEPTION",
            message=words,
        )
    )
    result = materialize(into_crm)

    (letters,) = [
        one
        for one in result.get_asset_check_evaluations()
        if one.check_name == "no_dead_letters" and one.asset_key.path[-1] == "suppliers"
    ]
    assert not letters.passed
    assert words in str(letters.metadata["letters"].value)


def test_an_application_that_is_not_set_up_says_what_to_do(
    into_crm: Installation, org: SalesforceSandbox
) -> None:
    org.reset()
    result = materialize(into_crm)

    assert not result.success
    messages = " ".join(
        str(event.step_failure_data.error) for event in result.all_events if event.is_step_failure
    )
    assert "ml-connector setup crm" in messages


def test_monday_is_an_asset_kind_too(project: Project, settings: Settings) -> None:
    boards = MondayConnection(name="boards", credential="boards")
    graph = build_definitions(with_application(project, boards), settings).resolve_asset_graph()
    node = graph.get(dg.AssetKey(["acme", "boards", "suppliers"]))
    assert node.kinds == {"monday"}
    assert node.metadata["object"] == "Suppliers"
