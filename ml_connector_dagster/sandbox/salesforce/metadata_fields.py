"""A field as a file of the Metadata API defines it, and what the org has to say about the definition."""

from typing import Final
from xml.etree import ElementTree

from ml_connector_dagster.sandbox.salesforce.fields import NUMBER_TYPES, Field, FieldType
from ml_connector_dagster.sandbox.salesforce.schema import Schema


NAMESPACE: Final = "{http://soap.sforce.com/2006/04/metadata}"
_TYPES: Final[dict[str, FieldType]] = {
    "Text": "string",
    "LongTextArea": "textarea",
    "TextArea": "textarea",
    "Number": "double",
    "Currency": "currency",
    "Percent": "percent",
    "Checkbox": "boolean",
    "Date": "date",
    "DateTime": "datetime",
    "Picklist": "picklist",
    "Email": "email",
    "Phone": "phone",
    "Url": "url",
    "Lookup": "reference",
    "MasterDetail": "reference",
}
#: The length of types that have no length of their own.
_LENGTHS: Final = {"Picklist": 255, "TextArea": 255, "Email": 80, "Phone": 40, "Url": 255}


class Broken(Exception):
    """A component that does not deploy: (component, problem)."""

    def __init__(self, component: str, problem: str) -> None:
        super().__init__(problem)
        self.component = component
        self.problem = problem


def field_of(owner: str, element: ElementTree.Element, schema: Schema) -> Field:
    """The field. Raises Broken."""
    name, kind = text_of(element, "fullName"), text_of(element, "type")
    problem = _problem(name, kind, element) or _reference_problem(owner, kind, element, schema)
    if problem:
        raise Broken(f"{owner}.{name}", problem)
    described, target = _TYPES[kind], text_of(element, "referenceTo")
    is_reference = described == "reference"
    sets = element.iter(f"{NAMESPACE}valueSet")
    return Field(
        name=name,
        label=text_of(element, "label"),
        type=described,
        length=18 if is_reference else _LENGTHS.get(kind, _number(element, "length")),
        precision=_number(element, "precision"),
        scale=_number(element, "scale"),
        nillable=not is_true(element, "required") and kind not in ("MasterDetail", "Checkbox"),
        external_id=is_true(element, "externalId"),
        unique=is_true(element, "unique"),
        case_sensitive=is_true(element, "caseSensitive"),
        values=_values(element),
        restricted=any(is_true(one, "restricted") for one in sets),
        reference_to=(target,) if target else (),
        relationship=f"{name[:-1]}r" if is_reference else None,
        master=kind == "MasterDetail",
        default=is_true(element, "defaultValue") if kind == "Checkbox" else None,
    )


def _problem(name: str, kind: str, element: ElementTree.Element) -> str:
    """What is wrong with the definition by itself; "" for nothing."""
    if not name.endswith("__c"):
        return f"Custom field names end in __c: {name}"
    if kind not in _TYPES:
        return f"Field type {kind!r} is not simulated"
    if not text_of(element, "label"):
        return "Must specify a label"
    if kind == "Text" and not 1 <= _number(element, "length") <= 255:
        return "Text length must be between 1 and 255"
    if kind == "LongTextArea" and not text_of(element, "visibleLines"):
        return "Must specify visibleLines"
    if is_true(element, "externalId") and kind not in ("Text", "Number", "Email"):
        return f"A field of type {kind} cannot be an external ID"
    precision, scale = _number(element, "precision"), _number(element, "scale")
    if _TYPES[kind] in NUMBER_TYPES and not scale < precision <= 18:
        return "Precision must be at most 18 and larger than scale"
    if kind == "Picklist" and not _values(element):
        return "Must specify a valueSet"
    if kind == "Checkbox" and text_of(element, "defaultValue") not in ("true", "false"):
        return "Must specify defaultValue true or false"
    return ""


def _reference_problem(owner: str, kind: str, element: ElementTree.Element, schema: Schema) -> str:
    """What is wrong with where the field leads to; "" for nothing."""
    target = text_of(element, "referenceTo")
    if _TYPES[kind] != "reference":
        return ""
    if target not in schema.objects:
        return f"referenceTo value of '{target}' does not resolve to a valid sObject type"
    if not text_of(element, "relationshipName") and owner != "Activity":
        return "Must specify a relationshipName"
    return ""


def text_of(element: ElementTree.Element, tag: str) -> str:
    """The text of a child, "" without one."""
    return (element.findtext(f"{NAMESPACE}{tag}") or "").strip()


def is_true(element: ElementTree.Element, tag: str) -> bool:
    """Whether a child says true."""
    return text_of(element, tag) == "true"


def _number(element: ElementTree.Element, tag: str) -> int:
    return int(text_of(element, tag) or 0)


def _values(element: ElementTree.Element) -> tuple[str, ...]:
    return tuple(text_of(one, "fullName") for one in element.iter(f"{NAMESPACE}value"))
