"""Fields and objects: what the org knows about them, and how describe tells it.

developer.salesforce.com, api-rest: resources-sobject-describe. Types are the API's own words.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal


FieldType = Literal[
    "id",
    "string",
    "textarea",
    "picklist",
    "email",
    "phone",
    "url",
    "double",
    "currency",
    "percent",
    "int",
    "boolean",
    "date",
    "datetime",
    "reference",
    "base64",
]
TEXT_TYPES: Final = ("string", "textarea", "picklist", "email", "phone", "url", "base64")
NUMBER_TYPES: Final = ("double", "currency", "percent")


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of an object.

    Attributes:
        length: of texts, in characters.
        precision: digits of a number, those after the point (``scale``) included.
        nillable: False for a field without which a record is not saved.
        default: what a new record has when nothing was sent; None for nothing.
        relationship: of references: the name under which the other record is reached, like ``Account__r``.
        master: a master-detail: cannot be left out, and never moves to another parent.
    """

    name: str
    label: str
    type: FieldType
    length: int = 0
    precision: int = 0
    scale: int = 0
    nillable: bool = True
    createable: bool = True
    updateable: bool = True
    external_id: bool = False
    unique: bool = False
    case_sensitive: bool = False
    values: tuple[str, ...] = ()
    restricted: bool = False
    reference_to: tuple[str, ...] = ()
    relationship: str | None = None
    master: bool = False
    default: str | bool | None = None

    @property
    def custom(self) -> bool:
        return self.name.endswith("__c")

    @property
    def required(self) -> bool:
        """Whether a new record must bring it."""
        return not self.nillable and self.default is None and self.createable

    def describe(self, *, updateable: bool) -> dict[str, object]:
        """As one of ``fields`` of a describe. ``updateable`` is what the user may."""
        return {
            "name": self.name,
            "label": self.label,
            "type": self.type,
            "length": self.length,
            "byteLength": self.length * 3,
            "precision": self.precision,
            "scale": self.scale,
            "digits": 9 if self.type == "int" else 0,
            "nillable": self.nillable,
            "defaultedOnCreate": self.default is not None or self.name == "Id",
            "createable": self.createable and updateable,
            "updateable": self.updateable and updateable,
            "externalId": self.external_id,
            "idLookup": self.external_id or self.name == "Id",
            "unique": self.unique,
            "caseSensitive": self.case_sensitive,
            "custom": self.custom,
            "calculated": False,
            "autoNumber": False,
            "filterable": self.type not in ("textarea", "base64"),
            "restrictedPicklist": self.restricted,
            "picklistValues": [
                {"active": True, "defaultValue": value == self.default, "label": value}
                | {"validFor": None, "value": value}
                for value in self.values
            ],
            "referenceTo": list(self.reference_to),
            "relationshipName": self.relationship,
            "polymorphicForeignKey": len(self.reference_to) > 1,
            "writeRequiresMasterRead": self.master,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SObject:
    """One object. ``prefix`` begins the ids of its records."""

    name: str
    label: str
    plural: str
    prefix: str
    fields: Mapping[str, Field] = field(default_factory=dict)

    @property
    def custom(self) -> bool:
        return self.name.endswith("__c")

    def with_fields(self, *fields: Field) -> "SObject":
        """The object with further fields, or other definitions of those it has."""
        return replace(self, fields={**self.fields, **{one.name: one for one in fields}})

    def field(self, name: str) -> Field | None:
        """By its API name, whose case does not count."""
        exact = self.fields.get(name)
        if exact is not None:
            return exact
        lowered = name.lower()
        return next((one for one in self.fields.values() if one.name.lower() == lowered), None)

    def relationship(self, name: str) -> Field | None:
        """The reference that is reached under ``name``."""
        lowered = name.lower()
        return next(
            (one for one in self.fields.values() if (one.relationship or "").lower() == lowered),
            None,
        )
