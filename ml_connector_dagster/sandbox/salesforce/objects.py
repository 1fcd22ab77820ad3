"""The standard objects of a new org, as far as they are simulated: a selection of fields, with their real limits."""

from typing import Final

from ml_connector_dagster.sandbox.salesforce.fields import Field, FieldType, SObject


def _text(name: str, label: str, length: int = 255, kind: FieldType = "string") -> Field:
    return Field(name=name, label=label, type=kind, length=length)


def _reference(name: str, label: str, relationship: str, *objects: str) -> Field:
    return Field(
        name=name,
        label=label,
        type="reference",
        length=18,
        reference_to=objects,
        relationship=relationship,
    )


def _picklist(name: str, label: str, *values: str) -> Field:
    return Field(name=name, label=label, type="picklist", length=255, values=values)


def _needed(name: str, label: str, length: int) -> Field:
    return Field(name=name, label=label, type="string", length=length, nillable=False)


#: What every object has, and nobody writes.
SYSTEM_FIELDS: Final = (
    Field(
        name="Id",
        label="Record ID",
        type="id",
        length=18,
        nillable=False,
        createable=False,
        updateable=False,
    ),
    *(
        Field(
            name=name,
            label=label,
            type="datetime",
            nillable=False,
            createable=False,
            updateable=False,
        )
        for name, label in (
            ("CreatedDate", "Created Date"),
            ("LastModifiedDate", "Last Modified Date"),
            ("SystemModstamp", "System Modstamp"),
        )
    ),
    Field(
        name="IsDeleted",
        label="Deleted",
        type="boolean",
        nillable=False,
        createable=False,
        updateable=False,
        default=False,
    ),
)


def _object(name: str, plural: str, prefix: str, *fields: Field, label: str = "") -> SObject:
    bare = SObject(name=name, label=label or name, plural=plural, prefix=prefix)
    return bare.with_fields(*SYSTEM_FIELDS, *fields)


def _address(kind: str, label: str) -> tuple[Field, ...]:
    return (
        _text(f"{kind}Street", f"{label} Street", kind="textarea"),
        _text(f"{kind}City", f"{label} City", 40),
        _text(f"{kind}State", f"{label} State/Province", 80),
        _text(f"{kind}PostalCode", f"{label} Zip/Postal Code", 20),
        _text(f"{kind}Country", f"{label} Country", 80),
    )


STANDARD_OBJECTS: Final = (
    _object(
        "Account",
        "Accounts",
        "001",
        _needed("Name", "Account Name", 255),
        _picklist("Type", "Account Type", "Prospect", "Customer - Direct", "Vendor", "Other"),
        _reference("ParentId", "Parent Account ID", "Parent", "Account"),
        *_address("Billing", "Billing"),
        *_address("Shipping", "Shipping"),
        _text("Phone", "Account Phone", 40, "phone"),
        _text("Fax", "Account Fax", 40, "phone"),
        _text("AccountNumber", "Account Number", 40),
        _text("Website", "Website", 255, "url"),
        _text("Sic", "SIC Code", 20),
        _picklist("Industry", "Industry", "Agriculture", "Manufacturing", "Other"),
        Field(name="AnnualRevenue", label="Annual Revenue", type="currency", precision=18),
        Field(name="NumberOfEmployees", label="Employees", type="int"),
        _text("Description", "Account Description", 32_000, "textarea"),
        _text("AccountSource", "Account Source", 255, "picklist"),
        _text("Site", "Account Site", 80),
        _text("TickerSymbol", "Ticker Symbol", 20),
    ),
    _object(
        "Contact",
        "Contacts",
        "003",
        _reference("AccountId", "Account ID", "Account", "Account"),
        _needed("LastName", "Last Name", 80),
        _text("FirstName", "First Name", 40),
        _text("Phone", "Business Phone", 40, "phone"),
        _text("MobilePhone", "Mobile Phone", 40, "phone"),
        _text("Email", "Email", 80, "email"),
        _text("Title", "Title", 128),
        _text("Department", "Department", 80),
        *_address("Mailing", "Mailing"),
        _text("Description", "Contact Description", 32_000, "textarea"),
    ),
    _object(
        "Task",
        "Tasks",
        "00T",
        _reference("WhoId", "Name ID", "Who", "Contact"),
        _reference("WhatId", "Related To ID", "What", "Account"),
        _text("Subject", "Subject", 255),
        Field(name="ActivityDate", label="Due Date Only", type="date"),
        Field(
            name="Status",
            label="Status",
            type="picklist",
            length=255,
            nillable=False,
            default="Not Started",
            values=(
                "Not Started",
                "In Progress",
                "Completed",
                "Waiting on someone else",
                "Deferred",
            ),
        ),
        Field(
            name="Priority",
            label="Priority",
            type="picklist",
            length=255,
            nillable=False,
            default="Normal",
            values=("High", "Normal", "Low"),
        ),
        _text("Description", "Description", 32_000, "textarea"),
    ),
    _object(
        "Note",
        "Notes",
        "002",
        Field(
            name="ParentId",
            label="Parent ID",
            type="reference",
            length=18,
            nillable=False,
            updateable=False,
            reference_to=("Account", "Contact"),
            relationship="Parent",
        ),
        _needed("Title", "Title", 80),
        _text("Body", "Body", 32_000, "textarea"),
    ),
    _object(
        "User",
        "Users",
        "005",
        _needed("Username", "Username", 80),
        _needed("LastName", "Last Name", 80),
    ),
    _object(
        "Organization",
        "Organizations",
        "00D",
        _needed("Name", "Name", 80),
        Field(name="IsSandbox", label="Is Sandbox", type="boolean", default=False, nillable=False),
        _text("OrganizationType", "Edition", 40, "picklist"),
    ),
    _object(
        "PermissionSet",
        "Permission Sets",
        "0PS",
        _needed("Name", "Permission Set Name", 80),
        _needed("Label", "Permission Set Label", 80),
    ),
    _object(
        "FieldPermissions",
        "Field Permissions",
        "01k",
        _reference("ParentId", "Parent ID", "Parent", "PermissionSet"),
        _needed("SobjectType", "Sobject Type Name", 40),
        _needed("Field", "Field Name", 255),
        *(
            Field(name=name, label=name, type="boolean", nillable=False, default=False)
            for name in ("PermissionsRead", "PermissionsEdit")
        ),
    ),
    _object(
        "PermissionSetAssignment",
        "Permission Set Assignments",
        "0Pa",
        Field(
            name="AssigneeId",
            label="Assignee ID",
            type="reference",
            length=18,
            nillable=False,
            updateable=False,
            reference_to=("User",),
            relationship="Assignee",
        ),
        Field(
            name="PermissionSetId",
            label="PermissionSet ID",
            type="reference",
            length=18,
            nillable=False,
            updateable=False,
            reference_to=("PermissionSet",),
            relationship="PermissionSet",
        ),
    ),
)

#: Objects that the API reads and never writes.
READ_ONLY: Final = ("User", "Organization", "PermissionSet", "FieldPermissions")
