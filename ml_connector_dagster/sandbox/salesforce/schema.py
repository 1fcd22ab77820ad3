"""The objects of the org and what its user may do with them. Custom ones come by deployment (``deployments.py``)."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from ml_connector_dagster.sandbox.salesforce.fields import Field, SObject
from ml_connector_dagster.sandbox.salesforce.objects import READ_ONLY, STANDARD_OBJECTS


@dataclass(slots=True, kw_only=True)
class Rights:
    """What the user that the app runs as may do.

    A field that was deployed is invisible to everybody, administrators too, until a permission set that is assigned
    shows it; only what every record must have is visible at once.

    Attributes:
        objects: object → letters of create, read, update, delete.
        hidden: ``Object.Field`` that the user does not see.
        read_only: ``Object.Field`` that the user sees and may not write.
    """

    objects: dict[str, str] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    read_only: set[str] = field(default_factory=set)


class Schema:
    """Objects by name, as the user sees them."""

    def __init__(self) -> None:
        self.objects: dict[str, SObject] = {}
        self.rights = Rights()
        self.reset()

    def reset(self) -> None:
        """Back to a new org."""
        self.objects = {one.name: one for one in STANDARD_OBJECTS}
        self.rights = Rights(
            objects={one.name: "r" if one.name in READ_ONLY else "crud" for one in STANDARD_OBJECTS}
        )

    def find(self, name: str) -> SObject | None:
        """An object that the user may read, by its API name, whose case does not count."""
        exact = self.objects.get(name)
        if exact is None:
            lowered = name.lower()
            exact = next(
                (one for one in self.objects.values() if one.name.lower() == lowered), None
            )
        return exact if exact is not None and self.may(exact, "r") else None

    def may(self, sobject: SObject, right: str) -> bool:
        """Whether the user has one of the rights c, r, u, d on the object."""
        return right in self.rights.objects.get(sobject.name, "")

    def sees(self, sobject: SObject, one: Field) -> bool:
        return f"{sobject.name}.{one.name}" not in self.rights.hidden

    def writes(self, sobject: SObject, one: Field) -> bool:
        return f"{sobject.name}.{one.name}" not in self.rights.read_only

    def visible(self, sobject: SObject) -> Iterable[Field]:
        """The fields that the user sees."""
        return (one for one in sobject.fields.values() if self.sees(sobject, one))

    def field(self, sobject: SObject, name: str) -> Field | None:
        """A field that the user sees."""
        found = sobject.field(name)
        return found if found is not None and self.sees(sobject, found) else None

    def relationship(self, sobject: SObject, name: str) -> Field | None:
        """A reference that the user sees, by the name of its relationship."""
        found = sobject.relationship(name)
        return found if found is not None and self.sees(sobject, found) else None

    def next_prefix(self) -> str:
        """The key prefix of the next custom object: a00, a01, …"""
        count = sum(one.custom for one in self.objects.values())
        return f"a{count:02d}"

    def describe(self, sobject: SObject) -> dict[str, object]:
        """The answer of ``/sobjects/<object>/describe``."""
        return self.summary(sobject) | {
            "fields": [
                one.describe(updateable=self.writes(sobject, one)) for one in self.visible(sobject)
            ],
            "childRelationships": [],
            "recordTypeInfos": [],
        }

    def summary(self, sobject: SObject) -> dict[str, object]:
        """One of ``sobjects`` of the global describe."""
        return {
            "name": sobject.name,
            "label": sobject.label,
            "labelPlural": sobject.plural,
            "keyPrefix": sobject.prefix,
            "custom": sobject.custom,
            "createable": self.may(sobject, "c"),
            "updateable": self.may(sobject, "u"),
            "deletable": self.may(sobject, "d"),
            "queryable": True,
            "retrieveable": True,
        }
