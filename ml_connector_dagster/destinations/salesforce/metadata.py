"""Objects and fields as files of the Metadata API, for a deployment by us or by a person.

developer.salesforce.com, api_meta: CustomObject, CustomField, PermissionSet. A deployed field is visible to nobody
until a permission set shows it, so each object comes with one.
"""

import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

from ml_connector_dagster.destinations.applications.contract import (
    FieldFacts,
    FieldKind,
    ObjectFacts,
)


_HEAD: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
_XMLNS: Final = 'xmlns="http://soap.sforce.com/2006/04/metadata"'
#: The longest text of one line; longer ones are long text areas.
_LONGEST_TEXT: Final = 255
_LONG_AREA: Final = 32_768
#: Digits of a number, at most.
_DIGITS: Final = 18
#: Objects whose own rights no permission set can give: "Edit Tasks" is a right of the user.
_ACTIVITIES: Final = ("Task", "Event")


def permission_set(sobject: str) -> str:
    """Name of the permission set for an object."""
    return f"ML_Connector_{sobject.removesuffix('__c')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What is deployed of one object.

    Attributes:
        wanted: everything that our login has to see and write.
        make: the fields that are new, or get further values.
        is_new: the object itself is new.
        granted: fields that the permission set shows already; a deployment replaces it whole.
    """

    wanted: ObjectFacts
    make: tuple[FieldFacts, ...]
    is_new: bool
    granted: tuple[str, ...] = ()

    @property
    def owner(self) -> str:
        """Where the fields are defined: those of tasks belong to Activity."""
        return "Activity" if self.wanted.name in _ACTIVITIES else self.wanted.name


def custom_fields(wanted: ObjectFacts) -> tuple[FieldFacts, ...]:
    """The fields that can be made: those that Salesforce has not by itself."""
    return tuple(one for one in wanted.fields.values() if one.name.endswith("__c"))


def whole(wanted: ObjectFacts) -> Part:
    """Everything of an object, for an org of which nothing is known."""
    return Part(wanted=wanted, make=custom_fields(wanted), is_new=wanted.name.endswith("__c"))


def files(part: Part) -> dict[str, str]:
    """Path → content of the object and its permission set."""
    name = permission_set(part.wanted.name)
    made = {f"permissionsets/{name}.permissionset": _permissions(part)}
    if part.make or part.is_new:
        made[f"objects/{part.owner}.object"] = _object(part)
    return made


def manifest(parts: Iterable[Part], version: str) -> str:
    """``package.xml`` for several objects."""
    members: dict[str, list[str]] = {"CustomObject": [], "CustomField": [], "PermissionSet": []}
    for part in parts:
        if part.is_new:
            members["CustomObject"].append(part.owner)
        else:
            members["CustomField"] += [f"{part.owner}.{field.name}" for field in part.make]
        members["PermissionSet"].append(permission_set(part.wanted.name))
    types = ""
    for kind, names in members.items():
        listed = "".join(f"    <members>{name}</members>\n" for name in names)
        types += f"  <types>\n{listed}    <name>{kind}</name>\n  </types>\n" if names else ""
    return f"{_HEAD}<Package {_XMLNS}>\n{types}  <version>{version}</version>\n</Package>\n"


def archive(contents: Mapping[str, str]) -> bytes:
    """The files as one zip."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as package:
        for path, text in contents.items():
            package.writestr(path, text)
    return packed.getvalue()


def _object(part: Part) -> str:
    lines: list[str] = []
    wanted = part.wanted
    if part.is_new:
        label = escape(wanted.label or wanted.name.removesuffix("__c").replace("_", " "))
        name_field = wanted.fields.get("Name")
        name_label = escape((name_field.label if name_field is not None else "") or "Name")
        lines += [
            "  <deploymentStatus>Deployed</deploymentStatus>",
            f"  <label>{label}</label>",
            f"  <nameField><label>{name_label}</label><type>Text</type></nameField>",
            f"  <pluralLabel>{label}s</pluralLabel>",
            "  <sharingModel>ReadWrite</sharingModel>",
        ]
    lines += [_field(wanted.name, one) for one in part.make]
    body = "\n".join(lines)
    return f"{_HEAD}<CustomObject {_XMLNS}>\n{body}\n</CustomObject>\n"


def _field(sobject: str, field: FieldFacts) -> str:
    label = field.label or field.name.removesuffix("__c").replace("_", " ")
    inner = [f"<fullName>{field.name}</fullName>", f"<label>{escape(label)}</label>"]
    inner += [f"<{name}>{escape(value)}</{name}>" for name, value in _definition(sobject, field)]
    if field.kind is FieldKind.CHOICE:
        inner.append(_value_set(field))
    return "  <fields>\n" + "".join(f"    {line}\n" for line in inner) + "  </fields>"


def _definition(sobject: str, field: FieldFacts) -> Sequence[tuple[str, str]]:
    """The elements that say what kind of field it is."""
    match field.kind:
        case FieldKind.TEXT if (field.length or _LONGEST_TEXT) <= _LONGEST_TEXT:
            length = ("length", str(field.length or _LONGEST_TEXT))
            if not field.key:
                return (("type", "Text"), length)
            by_key = (("externalId", "true"), ("unique", "true"), ("caseSensitive", "true"))
            return (("type", "Text"), length, *by_key)
        case FieldKind.TEXT | FieldKind.LONG_TEXT:
            area = ("length", str(max(256, field.length or _LONG_AREA)))
            return (("type", "LongTextArea"), area, ("visibleLines", "3"))
        case FieldKind.NUMBER:
            whole, scale = field.digits or (_DIGITS, 2)
            precision = min(_DIGITS, max(whole, scale + 1))
            sizes = (("precision", str(precision)), ("scale", str(min(scale, precision - 1))))
            return (("type", "Number"), *sizes)
        case FieldKind.FLAG:
            return (("type", "Checkbox"), ("defaultValue", "false"))
        case FieldKind.LINK:
            # How the children of the other object are called; unique there, at most 40 characters.
            children = f"{sobject}_{field.name}".replace("__c", "")[-40:].strip("_")
            return (
                ("type", "Lookup"),
                ("referenceTo", next(iter(field.links_to), "")),
                ("relationshipName", children),
                ("deleteConstraint", "SetNull"),
            )
        case _:
            kinds = {
                FieldKind.DATE: "Date",
                FieldKind.MOMENT: "DateTime",
                FieldKind.EMAIL: "Email",
                FieldKind.PHONE: "Phone",
            }
            return (("type", kinds.get(field.kind, "Picklist")),)


def _value_set(field: FieldFacts) -> str:
    values = "".join(
        f"<value><fullName>{escape(one)}</fullName><default>false</default>"
        f"<label>{escape(one)}</label></value>"
        for one in field.choices
    )
    restricted = str(not field.open_choices).lower()
    return (
        f"<valueSet><restricted>{restricted}</restricted><valueSetDefinition><sorted>false</sorted>"
        f"{values}</valueSetDefinition></valueSet>"
    )


def _permissions(part: Part) -> str:
    wanted = part.wanted
    lines = ["  <hasActivationRequired>false</hasActivationRequired>"]
    lines.append(f"  <label>ML Connector: {escape(wanted.label or wanted.name)}</label>")
    if wanted.name not in _ACTIVITIES:
        rights = (("allowCreate", True), ("allowDelete", False), ("allowEdit", True))
        granted = "".join(f"<{name}>{str(value).lower()}</{name}>" for name, value in rights)
        lines.append(
            f"  <objectPermissions>{granted}<allowRead>true</allowRead><modifyAllRecords>false</modifyAllRecords>"
            f"<object>{wanted.name}</object><viewAllRecords>false</viewAllRecords></objectPermissions>"
        )
    lines += [
        f"  <fieldPermissions><editable>true</editable><field>{wanted.name}.{name}</field>"
        "<readable>true</readable></fieldPermissions>"
        for name in sorted({*part.granted, *(one.name for one in custom_fields(wanted))})
    ]
    return f"{_HEAD}<PermissionSet {_XMLNS}>\n{chr(10).join(lines)}\n</PermissionSet>\n"
