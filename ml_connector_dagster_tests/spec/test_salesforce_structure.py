"""What an org has and lacks, and how it gets it: by us, or by a person."""

from collections.abc import Iterator
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from ml_connector_dagster.config.mappings import EntityMapping, shipped_mappings
from ml_connector_dagster.destinations.applications.contract import FieldFacts, FieldKind
from ml_connector_dagster.destinations.applications.placements import mapped_entity
from ml_connector_dagster.destinations.applications.structures import find_gaps, wanted_shapes
from ml_connector_dagster.model.errors import ConfigError, ContractError, CredentialError
from ml_connector_dagster.sandbox.salesforce import OrgOptions, SalesforceSandbox
from ml_connector_dagster_tests.spec.salesforce_org import ORDERS, SUPPLIERS, furnish, opened


@pytest.fixture(scope="module")
def _org() -> Iterator[SalesforceSandbox]:
    with SalesforceSandbox.start() as org:
        yield org


@pytest.fixture
def org(_org: SalesforceSandbox) -> SalesforceSandbox:
    _org.reset()
    return _org


def test_what_is_there_is_told_in_our_words(org: SalesforceSandbox) -> None:
    furnish(org, SUPPLIERS, ORDERS)
    with opened(org) as application:
        facts = application.structure.describe(
            ["Account", "ERP_PO__c", "Task", "Note", "Nowhere__c"]
        )
    assert set(facts) == {"Account", "ERP_PO__c", "Task", "Note"}
    account, orders = facts["Account"].fields, facts["ERP_PO__c"].fields
    assert account["ERP_Id__c"].key
    assert not account["Name"].key
    assert account["Name"].required
    assert not account["Phone"].required
    assert account["Name"].length == 255
    assert not account["CreatedDate"].writable
    assert account["ERP_Role__c"].choices == ("Supplier",)
    assert not account["ERP_Role__c"].open_choices
    assert account["Type"].open_choices
    assert orders["Account__c"].links_to == ("Account",)
    assert orders["Account__c"].kind is FieldKind.LINK
    assert orders["Net_Amount__c"].digits is not None
    assert facts["Note"].fields["Title"].key, "notes take no external id: their title is it"
    assert facts["ERP_PO__c"].url == f"{org.url}/lightning/o/ERP_PO__c/list"


def test_every_shipped_mapping_is_made_and_then_lacks_nothing(org: SalesforceSandbox) -> None:
    wanted = wanted_shapes(
        mapped_entity("salesforce", entity, {}) for entity in shipped_mappings("salesforce")
    )
    with opened(org) as application:
        for gap in find_gaps(application.structure, wanted):
            if gap.missing:
                application.structure.create(gap.wanted)
        assert [gap.missing for gap in find_gaps(application.structure, wanted)] == [()] * len(
            wanted
        )


@pytest.mark.parametrize("style", ["task", "note"])
def test_every_style_is_made_and_then_lacks_nothing(org: SalesforceSandbox, style: str) -> None:
    flow = {"supplier_invoices": EntityMapping(style=style)}
    wanted = wanted_shapes([mapped_entity("salesforce", "supplier_invoices", flow)])
    with opened(org) as application:
        for gap in find_gaps(application.structure, wanted):
            if gap.missing:
                application.structure.create(gap.wanted)
        [gap] = find_gaps(application.structure, wanted)
    assert gap.missing == ()


def test_a_new_field_does_not_hide_those_of_an_earlier_setup(org: SalesforceSandbox) -> None:
    furnish(org, SUPPLIERS)
    extra = FieldFacts(name="ERP_Extra__c", kind=FieldKind.TEXT, label="Extra", length=20)
    only_extra = replace(SUPPLIERS.shape, fields={"ERP_Extra__c": extra})
    with opened(org) as application:
        application.structure.create(only_extra)
        fields = application.structure.describe(["Account"])["Account"].fields
    assert fields["ERP_Extra__c"].writable
    assert fields["ERP_Id__c"].writable


def test_further_values_are_added_to_those_that_are_there(org: SalesforceSandbox) -> None:
    furnish(org, SUPPLIERS)
    role = replace(SUPPLIERS.shape.fields["ERP_Role__c"], choices=("Customer",))
    with opened(org) as application:
        application.structure.create(replace(SUPPLIERS.shape, fields={"ERP_Role__c": role}))
        fields = application.structure.describe(["Account"])["Account"].fields
    assert fields["ERP_Role__c"].choices == ("Supplier", "Customer")


def test_standard_objects_and_fields_cannot_be_made(org: SalesforceSandbox) -> None:
    lead = replace(SUPPLIERS.shape, name="Lead")
    typo = FieldFacts(name="Fone", kind=FieldKind.TEXT)
    with opened(org) as application:
        with pytest.raises(ConfigError, match="Lead is not visible"):
            application.structure.create(lead)
        with pytest.raises(ConfigError, match=r"Account\.Fone is not there"):
            application.structure.create(replace(SUPPLIERS.shape, fields={"Fone": typo}))


def test_a_deployment_that_fails_tells_why_and_leaves_nothing(org: SalesforceSandbox) -> None:
    stray = FieldFacts(name="Nowhere__c", kind=FieldKind.LINK, label="x", links_to=("Nowhere__c",))
    wanted = replace(ORDERS.shape, fields={**ORDERS.shape.fields, "Nowhere__c": stray})
    with opened(org) as application:
        with pytest.raises(ContractError, match=r"ERP_PO__c\.Nowhere__c: referenceTo value"):
            application.structure.create(wanted)
        assert application.structure.describe(["ERP_PO__c"]) == {}


def test_without_rights_setup_says_so_and_prints_what_an_administrator_deploys() -> None:
    with SalesforceSandbox.start(OrgOptions(may_customize=False)) as org:
        with opened(org) as application:
            with pytest.raises(CredentialError, match="INSUFFICIENT_ACCESS"):
                application.structure.create(ORDERS.shape)
            text = application.structure.by_hand([SUPPLIERS.shape, ORDERS.shape])
        assert org.rows("PermissionSet") == []
    head, *files = text.split("--- metadata/")
    assert "sf project deploy start --metadata-dir metadata" in head
    paths = [file.partition("\n")[0] for file in files]
    assert paths == [
        "package.xml",
        "permissionsets/ML_Connector_Account.permissionset",
        "objects/Account.object",
        "permissionsets/ML_Connector_ERP_PO.permissionset",
        "objects/ERP_PO__c.object",
    ]
    for file in files:
        ElementTree.fromstring(file.partition("\n")[2].encode())  # noqa: S314  # what we wrote
