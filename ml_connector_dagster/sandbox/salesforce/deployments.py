"""Metadata API over REST: a zip of objects, fields and permission sets becomes part of the org, whole or not at all.

developer.salesforce.com, api_meta: meta_rest_deploy. Simulated are CustomObject (with Account, Contact, Task's Activity
and custom ones) and PermissionSet, in the form of ``package.xml`` with ``objects/`` and ``permissionsets/``.
"""

import io
import zipfile
from dataclasses import dataclass, field
from typing import Final
from xml.etree import ElementTree

from ml_connector_dagster.sandbox.salesforce.fields import Field, SObject
from ml_connector_dagster.sandbox.salesforce.metadata_fields import (
    NAMESPACE,
    Broken,
    field_of,
    is_true,
    text_of,
)
from ml_connector_dagster.sandbox.salesforce.objects import SYSTEM_FIELDS
from ml_connector_dagster.sandbox.salesforce.records import Records, Row
from ml_connector_dagster.sandbox.salesforce.refusals import ApiError, not_found
from ml_connector_dagster.sandbox.salesforce.schema import Schema


#: Where the custom fields of tasks are defined.
_SHARED: Final = {"Activity": ("Task",)}


@dataclass(slots=True, kw_only=True)
class PermissionSet:
    """What it gives: object → letters, fields to see, fields to write."""

    objects: dict[str, str] = field(default_factory=dict)
    sees: set[str] = field(default_factory=set)
    writes: set[str] = field(default_factory=set)


@dataclass(slots=True, kw_only=True)
class Deployment:
    """One request and what came of it."""

    id: str
    check_only: bool
    failures: list[Broken] = field(default_factory=list)
    components: list[str] = field(default_factory=list)
    polls: int = 0

    def body(self, *, done: bool) -> dict[str, object]:
        """As the API answers it."""
        status = "Pending"
        if done:
            status = "Failed" if self.failures else "Succeeded"
        result: dict[str, object] = {
            "id": self.id,
            "done": done,
            "status": status,
            "success": done and not self.failures,
            "checkOnly": self.check_only,
            "numberComponentsTotal": len(self.components) + len(self.failures),
            "numberComponentsDeployed": len(self.components) if not self.failures else 0,
            "numberComponentErrors": len(self.failures),
            "details": {
                "componentFailures": [
                    {"fullName": one.component, "problem": one.problem, "problemType": "Error"}
                    for one in self.failures
                ],
                "componentSuccesses": [{"fullName": name} for name in self.components],
            },
        }
        return {"id": self.id, "deployResult": result}


class Deployments:
    """Deploys into the schema."""

    def __init__(self, schema: Schema, records: Records) -> None:
        self.permission_sets: dict[str, PermissionSet] = {}
        self.assigned: set[str] = set()
        self._schema = schema
        self._records = records
        self._deployments: dict[str, Deployment] = {}

    def clear(self) -> None:
        self.permission_sets.clear()
        self.assigned.clear()
        self._deployments.clear()

    def deploy(self, archive: bytes, options: dict[str, object]) -> dict[str, object]:
        """POST metadata/deployRequest."""
        deployment = Deployment(
            id=self._records.new_id("0Af"), check_only=options.get("checkOnly") is True
        )
        self._deployments[deployment.id] = deployment
        try:
            files = _unpacked(archive)
        except (zipfile.BadZipFile, KeyError, ElementTree.ParseError) as error:
            deployment.failures.append(Broken("package.xml", f"No package.xml found: {error}"))
            return deployment.body(done=False)
        before = dict(self._schema.objects)
        for kind, work in (("objects", self._object), ("permissionsets", self._permission_set)):
            for name, root in files.get(kind, {}).items():
                try:
                    deployment.components += work(name, root)
                except Broken as broken:
                    deployment.failures.append(broken)
        if deployment.failures or deployment.check_only:
            self._schema.objects = before
        return deployment.body(done=False)

    def get(self, deployment_id: str) -> dict[str, object]:
        """GET metadata/deployRequest/<id>: done at the second look."""
        found = self._deployments.get(deployment_id)
        if found is None:
            raise not_found()
        found.polls += 1
        return found.body(done=found.polls > 1)

    def assign(self, name: str) -> None:
        """The user gets what the permission set gives."""
        rights, given = self._schema.rights, self.permission_sets[name]
        self.assigned.add(name)
        for sobject, letters in given.objects.items():
            rights.objects[sobject] = "".join(
                sorted(set(rights.objects.get(sobject, "")) | set(letters))
            )
        rights.hidden -= given.sees | given.writes
        rights.read_only |= given.sees - given.writes
        rights.read_only -= given.writes

    def _object(self, name: str, root: ElementTree.Element) -> list[str]:
        targets = _SHARED.get(name, (name,))
        components = [name]
        for target in targets:
            sobject = self._schema.objects.get(target)
            if sobject is None:
                sobject = self._new_object(name, root)
            for element in root.iter(f"{NAMESPACE}fields"):
                one = field_of(name, element, self._schema)
                self._keep_type(target, sobject, one)
                is_new = one.name not in sobject.fields
                sobject = sobject.with_fields(one)
                if is_new and not (one.required or one.master):
                    self._schema.rights.hidden.add(f"{target}.{one.name}")
                components.append(f"{name}.{one.name}")
            self._schema.objects[target] = sobject
        return components

    def _new_object(self, name: str, root: ElementTree.Element) -> SObject:
        if not name.endswith("__c"):
            raise Broken(name, f"Entity of type CustomObject named {name} cannot be found")
        label = text_of(root, "label")
        if not label:
            raise Broken(name, "Must specify a label for the object")
        naming = root.find(f"{NAMESPACE}nameField")
        if naming is None:
            raise Broken(name, "Must specify a nameField of type Text or AutoNumber")
        for needed in ("pluralLabel", "deploymentStatus", "sharingModel"):
            if not text_of(root, needed):
                raise Broken(name, f"Must specify {needed}")
        made = SObject(
            name=name,
            label=label,
            plural=text_of(root, "pluralLabel"),
            prefix=self._schema.next_prefix(),
        )
        name_field = Field(
            name="Name",
            label=text_of(naming, "label") or "Name",
            type="string",
            length=80,
            nillable=text_of(naming, "type") == "AutoNumber",
            createable=text_of(naming, "type") == "Text",
            updateable=text_of(naming, "type") == "Text",
        )
        return made.with_fields(*SYSTEM_FIELDS, name_field)

    def _keep_type(self, target: str, sobject: SObject, one: Field) -> None:
        """A field does not become another kind of field, nor shorter than its values."""
        old = sobject.fields.get(one.name)
        if old is not None and old.type != one.type:
            raise Broken(
                f"{target}.{one.name}", f"Cannot change field type from {old.type} to {one.type}"
            )

    def _permission_set(self, name: str, root: ElementTree.Element) -> list[str]:
        made = PermissionSet()
        for one in root.iter(f"{NAMESPACE}objectPermissions"):
            sobject = text_of(one, "object")
            if sobject not in self._schema.objects:
                raise Broken(
                    name, f"In field: objectPermissions - no CustomObject named {sobject} found"
                )
            if sobject in ("Task", "Event"):
                raise Broken(
                    name, f"In field: objectPermissions - {sobject} has no object permissions"
                )
            letters = (
                ("allowCreate", "c"),
                ("allowRead", "r"),
                ("allowEdit", "u"),
                ("allowDelete", "d"),
            )
            made.objects[sobject] = "".join(letter for tag, letter in letters if is_true(one, tag))
        for one in root.iter(f"{NAMESPACE}fieldPermissions"):
            path = text_of(one, "field")
            owner, _, field_name = path.partition(".")
            for target in _SHARED.get(owner, (owner,)):
                sobject_found = self._schema.objects.get(target)
                found = sobject_found.fields.get(field_name) if sobject_found is not None else None
                if found is None:
                    raise Broken(name, f"In field: field - no CustomField named {path} found")
                if found.required or found.master:
                    raise Broken(name, f"You cannot deploy to a required field: {path}")
                if is_true(one, "readable"):
                    made.sees.add(f"{target}.{field_name}")
                if is_true(one, "editable"):
                    made.writes.add(f"{target}.{field_name}")
        self._replace(name, made, label=text_of(root, "label") or name)
        return [name]

    def _replace(self, name: str, made: PermissionSet, *, label: str) -> None:
        """A deployed permission set is what the file says, and nothing of what it was before."""
        old = self.permission_sets.get(name, PermissionSet())
        self.permission_sets[name] = made
        table = self._records.table(self._schema.objects["PermissionSet"])
        found = [one for one, row in table.rows.items() if row["Name"] == name]
        own = found[0] if found else self._records.new_id("0PS")
        table.put(own, {"Id": own, "Name": name, "Label": label})
        fields = self._records.table(self._schema.objects["FieldPermissions"])
        for one in [one for one, row in fields.rows.items() if row["ParentId"] == own]:
            fields.remove(one)
        for path in sorted(made.sees | made.writes):
            record_id = self._records.new_id("01k")
            row: Row = {"Id": record_id, "ParentId": own, "SobjectType": path.partition(".")[0]}
            row |= {"Field": path, "PermissionsRead": True, "PermissionsEdit": path in made.writes}
            fields.put(record_id, row)
        if name in self.assigned:
            others = [self.permission_sets[one] for one in self.assigned]
            kept = {path for one in others for path in one.sees | one.writes}
            self._schema.rights.hidden |= (old.sees | old.writes) - kept
            self.assign(name)


def _unpacked(archive: bytes) -> dict[str, dict[str, ElementTree.Element]]:
    """folder → name → parsed file, of what ``package.xml`` names. Raises KeyError without one."""
    with zipfile.ZipFile(io.BytesIO(archive)) as package:
        files = {name: package.read(name) for name in package.namelist()}
    manifest = ElementTree.fromstring(files["package.xml"])  # noqa: S314  # our own tests wrote it
    listed = {
        (text_of(kind, "name"), member.text or "")
        for kind in manifest.iter(f"{NAMESPACE}types")
        for member in kind.iter(f"{NAMESPACE}members")
    }
    found: dict[str, dict[str, ElementTree.Element]] = {}
    for path, content in files.items():
        folder, _, file = path.partition("/")
        name = file.rpartition(".")[0]
        kind = {"objects": "CustomObject", "permissionsets": "PermissionSet"}.get(folder, "")
        by_field = any(
            one == "CustomField" and member.startswith(f"{name}.") for one, member in listed
        )
        if (kind, name) in listed or (folder == "objects" and by_field):
            found.setdefault(folder, {})[name] = ElementTree.fromstring(content)  # noqa: S314  # as above
    return found


def refuse_without_rights(may_customize: bool) -> None:
    """Raises ApiError unless the user may deploy."""
    if not may_customize:
        raise ApiError(
            403,
            "INSUFFICIENT_ACCESS",
            "You need the Modify Metadata Through Metadata API Functions or Modify All Data permission to deploy",
        )
