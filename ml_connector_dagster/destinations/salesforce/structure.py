"""What the org has, and how it gets what it lacks."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from ml_connector_dagster.destinations.applications.contract import (
    FieldFacts,
    FieldKind,
    ObjectFacts,
)
from ml_connector_dagster.destinations.salesforce import metadata, soql
from ml_connector_dagster.destinations.salesforce.refusals import Refused, explained
from ml_connector_dagster.destinations.salesforce.shapes import KEYLESS
from ml_connector_dagster.destinations.salesforce.transport import Transport
from ml_connector_dagster.model.errors import ConfigError, ContractError, TransientError


_KINDS: Final[Mapping[str, FieldKind]] = {
    "string": FieldKind.TEXT,
    "url": FieldKind.TEXT,
    "textarea": FieldKind.LONG_TEXT,
    "picklist": FieldKind.CHOICE,
    "double": FieldKind.NUMBER,
    "currency": FieldKind.NUMBER,
    "percent": FieldKind.NUMBER,
    "int": FieldKind.NUMBER,
    "boolean": FieldKind.FLAG,
    "date": FieldKind.DATE,
    "datetime": FieldKind.MOMENT,
    "email": FieldKind.EMAIL,
    "phone": FieldKind.PHONE,
    "reference": FieldKind.LINK,
}
_WITH_LENGTH: Final = (FieldKind.TEXT, FieldKind.LONG_TEXT, FieldKind.EMAIL, FieldKind.PHONE)
#: How long a deployment may take, in seconds, and how often it is looked at.
_DEPLOYMENT_SECONDS: Final = 600.0
_LOOK_SECONDS: Final = 1.0


class SalesforceStructure:
    """``applications.contract.Structure`` for Salesforce. ``address`` is where people see the org."""

    def __init__(
        self,
        transport: Transport,
        *,
        address: Callable[[], str],
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._transport = transport
        self._address = address
        self._elapsed = elapsed

    def describe(self, objects: Iterable[str]) -> Mapping[str, ObjectFacts]:
        """One call for each object."""
        found: dict[str, ObjectFacts] = {}
        for name in dict.fromkeys(objects):
            try:
                told = self._transport.describe(name)
            except Refused as refused:
                raise explained(refused, f"{name} was not described") from refused
            if told is not None:
                found[name] = ObjectFacts(
                    name=name,
                    label=str(told.get("label", "")),
                    url=f"{self._address()}/lightning/o/{name}/list",
                    fields={one["name"]: _facts(name, one) for one in told["fields"]},
                )
        return found

    def create(self, wanted: ObjectFacts) -> None:
        """By one deployment of the object, its fields and a permission set, which our user is then given."""
        there = self.describe([wanted.name]).get(wanted.name)
        _refuse_the_impossible(wanted, there)
        part = self._part(wanted, there)
        contents = metadata.files(part)
        contents["package.xml"] = metadata.manifest([part], self._transport.version)
        try:
            deployment = self._transport.deploy(metadata.archive(contents))
            self._wait(wanted.name, deployment)
            self._assign(metadata.permission_set(wanted.name))
        except Refused as refused:
            raise explained(refused, f"{wanted.name} was not made") from refused

    def by_hand(self, wanted: Sequence[ObjectFacts]) -> str:
        """The files of a deployment, and the commands that deploy them."""
        there = self.describe([one.name for one in wanted])
        parts = [self._part(one, there.get(one.name)) for one in wanted]
        contents = {"package.xml": metadata.manifest(parts, self._transport.version)}
        for one in parts:
            contents |= metadata.files(one)
        sets = " ".join(f"-n {metadata.permission_set(one.name)}" for one in wanted)
        listed = "\n".join(f"--- metadata/{path}\n{text}" for path, text in contents.items())
        return (
            "Write these files into a folder metadata, and let an administrator run, with Salesforce's sf:\n"
            "  sf project deploy start --metadata-dir metadata --target-org ORG\n"
            f"  sf org assign permset {sets} --target-org ORG --on-behalf-of USER_OF_THE_APP\n\n{listed}"
        )

    def _part(self, wanted: ObjectFacts, there: ObjectFacts | None) -> metadata.Part:
        """What is to be deployed, given what is there."""
        part = metadata.whole(wanted) if there is None else _missing(wanted, there)
        name = soql.text(metadata.permission_set(wanted.name))
        try:
            rows = list(
                self._transport.query(
                    f"SELECT Field FROM FieldPermissions WHERE Parent.Name = {name}"
                )
            )
        except Refused as refused:
            raise explained(refused, "the permission sets were not read") from refused
        granted = tuple(str(row["Field"]).partition(".")[2] for row in rows)
        return replace(part, granted=granted)

    def _wait(self, name: str, deployment: str) -> None:
        started = self._elapsed()
        result = self._transport.deployment(deployment)
        while not result.get("done"):
            if self._elapsed() - started > _DEPLOYMENT_SECONDS:
                raise TransientError(
                    f"the deployment of {name} ({deployment}) takes more than {_DEPLOYMENT_SECONDS:.0f} s; Setup, "
                    "Deployment Status shows it"
                )
            self._transport.pause(_LOOK_SECONDS)
            result = self._transport.deployment(deployment)
        if result.get("success") is not True:
            raise ContractError(
                f"the deployment of {name} ({deployment}) failed: {_failures(result)}"
            )

    def _assign(self, name: str) -> None:
        """Give the permission set to the user that the app runs as, once."""
        user = self._transport.user_id()
        found = list(
            self._transport.query(f"SELECT Id FROM PermissionSet WHERE Name = {soql.text(name)}")
        )
        if not found:
            raise ContractError(f"permission set {name} was deployed and is not there")
        own = str(found[0]["Id"])
        query = (
            f"SELECT Id FROM PermissionSetAssignment WHERE AssigneeId = {soql.text(user)} "
            f"AND PermissionSetId = {soql.text(own)}"
        )
        if list(self._transport.query(query)):
            return
        record = {"AssigneeId": user, "PermissionSetId": own}
        [saved] = self._transport.create(
            "PermissionSetAssignment", [record], allow_duplicates=False
        )
        if saved.problem is not None:
            raise Refused(403, saved.problem)


def _facts(sobject: str, told: Mapping[str, Any]) -> FieldFacts:
    kind = _KINDS.get(str(told["type"]), FieldKind.OTHER)
    digits = (int(told.get("precision") or 0), int(told.get("scale") or 0))
    if told["type"] == "int":
        digits = (int(told.get("digits") or 9), 0)
    return FieldFacts(
        name=str(told["name"]),
        label=str(told.get("label") or ""),
        kind=kind,
        length=int(told["length"]) if kind in _WITH_LENGTH and told.get("length") else None,
        digits=digits if kind is FieldKind.NUMBER else None,
        choices=tuple(
            str(one["value"]) for one in told.get("picklistValues") or () if one.get("active")
        ),
        open_choices=not told.get("restrictedPicklist", False),
        required=not told.get("nillable", True)
        and not told.get("defaultedOnCreate", False)
        and bool(told.get("createable")),
        writable=bool(told.get("createable"))
        and (bool(told.get("updateable")) or sobject in KEYLESS),
        key=_is_key(sobject, told),
        links_to=tuple(map(str, told.get("referenceTo") or ())),
    )


def _is_key(sobject: str, told: Mapping[str, Any]) -> bool:
    if sobject in KEYLESS:
        return bool(told["name"] == "Title")
    return all(told.get(name) is True for name in ("externalId", "unique", "caseSensitive"))


def _refuse_the_impossible(wanted: ObjectFacts, there: ObjectFacts | None) -> None:
    """Raises ConfigError for what no deployment makes: standard objects and fields, and another kind of field."""
    if there is None and not wanted.name.endswith("__c"):
        raise ConfigError(
            f"{wanted.name} is not visible to the user that the app runs as, and no object of ours (those end in __c): "
            "give that user access to it, or map to another object"
        )
    for one in wanted.fields.values():
        known = None if there is None else there.fields.get(one.name)
        if known is None and not one.name.endswith("__c") and one.name != "Name":
            raise ConfigError(
                f"{wanted.name}.{one.name} is not there, and no field of ours (those end in __c): map to another field"
            )


def _missing(wanted: ObjectFacts, there: ObjectFacts) -> metadata.Part:
    """What is to be added to an object: fields, and values of picklists."""
    make: list[FieldFacts] = []
    for one in metadata.custom_fields(wanted):
        known = there.fields.get(one.name)
        if known is None:
            make.append(one)
        elif one.kind is FieldKind.CHOICE and not set(one.choices) <= set(known.choices):
            choices = tuple(dict.fromkeys((*known.choices, *one.choices)))
            make.append(replace(one, choices=choices, open_choices=known.open_choices))
    return metadata.Part(wanted=wanted, make=tuple(make), is_new=False)


def _failures(result: Mapping[str, Any]) -> str:
    details = result.get("details") or {}
    failures = details.get("componentFailures") or []
    told = [f"{one.get('fullName')}: {one.get('problem')}" for one in failures]
    return "; ".join(told[:10]) or str(result.get("errorMessage") or result.get("status"))
