"""How records of an entity become records of an application: as data, in YAML.

A system's usual mapping is shipped (``config/mapping/<type of connection>.yaml``); a flow's ``mapping:`` says what is
different. What names columns, entities or choices of ours is checked here, when the files are read; what names
fields of the application is checked against its own metadata, before the first write.
"""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Annotated, Final, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    GetJsonSchemaHandler,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from ml_connector_dagster.config.models import StrictModel
from ml_connector_dagster.config.problems import shown
from ml_connector_dagster.config.values import EntityName, Flag, WholeNumber
from ml_connector_dagster.config.yaml_source import parse_document
from ml_connector_dagster.model.entities import ENTITIES, ColumnType, Entity, Reference


#: What stands in YAML where a value of a column is meant.
Plain = str | bool | int | float

#: What a condition compares with, read as its column's type.
Comparable = str | bool | int | Decimal | date | datetime

#: Connection types that take records one by one, through a mapping.
APPLICATION_TYPES: Final = ("monday", "salesforce")

_COMPARISONS: Final = ("equals", "differs", "below", "at_most", "above", "at_least")


class Condition(StrictModel):
    """One condition of a filter. A null never meets a comparison, except ``differs`` and ``none_of``."""

    column: str = Field(description="Column of the entity.")
    equals: Plain | None = Field(default=None, description="The value is this one.")
    differs: Plain | None = Field(default=None, description="The value is not this one.")
    below: Plain | None = Field(default=None, description="Less than this. Texts by character.")
    at_most: Plain | None = Field(default=None, description="This or less.")
    above: Plain | None = Field(default=None, description="More than this.")
    at_least: Plain | None = Field(default=None, description="This or more.")
    one_of: tuple[Plain, ...] | None = Field(default=None, description="One of these.")
    none_of: tuple[Plain, ...] | None = Field(default=None, description="None of these.")
    present: Flag | None = Field(default=None, description="true: not null; false: null.")

    @model_validator(mode="after")
    def _one_comparison(self) -> Self:
        given = self.model_fields_set - {"column"}
        if len(given) != 1:
            known = ", ".join((*_COMPARISONS, "one_of", "none_of", "present"))
            raise ValueError(f"a condition has a column and one of: {known}")
        return self

    @property
    def comparison(self) -> str:
        """Which comparison it is."""
        return next(iter(self.model_fields_set - {"column"}))

    @property
    def operands(self) -> tuple[Plain, ...]:
        """What the column is compared with."""
        value = getattr(self, self.comparison)
        return value if isinstance(value, tuple) else (value,)


def _rule(value: object) -> object:
    """A column's name alone is the usual rule; nothing at all leaves a shipped field out."""
    if isinstance(value, str):
        return {"column": value}
    return {"omit": True} if value is None else value


class _ShortForms:
    """What an editor may let stand for a rule: see ``_rule``."""

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"anyOf": [handler(core_schema), {"type": "string"}, {"type": "null"}]}


class FieldRule(StrictModel):
    """Where the value of one field, or column of a board, comes from."""

    column: str = Field(
        default="", description="Column of the entity; the short form is its name alone."
    )
    columns: tuple[str, ...] = Field(
        default=(), description="Several columns, joined to one text; nulls are left out."
    )
    between: str = Field(default=" ", description="What stands between joined columns.")
    constant: Plain | None = Field(default=None, description="Always this value.")
    parent: EntityName | None = Field(
        default=None, description="The field is a link to this entity's record."
    )
    values: dict[str, str] = Field(
        default_factory=dict,
        description="Value of the column, as text → label of the picklist or status. Others go as they are.",
    )
    otherwise: str | None = Field(
        default=None, description="Label of every value that values does not list, null included."
    )
    cut: Flag = Field(
        default=False,
        description="Cut a text that is too long, and round a number to the digits after the point that the field has, "
        "instead of having the record refused.",
    )
    kind: (
        Literal["text", "long_text", "number", "flag", "date", "moment", "choice", "email", "phone"]
        | None
    ) = Field(
        default=None, description="What kind of field setup makes; by the column when left out."
    )
    label: str = Field(default="", description="What people see, when setup makes the field.")
    length: WholeNumber | None = Field(
        default=None, ge=1, description="Length of a text that setup makes."
    )
    decimals: WholeNumber | None = Field(
        default=None,
        ge=0,
        le=17,
        description="Digits after the point of a number that setup makes.",
    )
    omit: Flag = Field(
        default=False, description="Leave the field out; the short form is no value."
    )

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        origins = [
            bool(self.column) and self.parent is None,
            bool(self.columns) and self.parent is None,
            self.constant is not None,
            self.parent is not None,
            self.omit,
        ]
        if sum(origins) != 1:
            raise ValueError("a field has one of: column, columns, constant, parent")
        return self


class EntityMapping(StrictModel):
    """One entity in an application. Everything that is left out is as shipped."""

    style: str = Field(
        default="",
        description="Another shipped way: task or note on Salesforce, subitems on Monday.com.",
    )
    object: str = Field(default="", description="API name of the object, or name of the board.")
    label: str = Field(default="", description="What people see, when setup makes the object.")
    key: str = Field(
        default="",
        description="The field that holds the external id: unique, of at least 100 characters.",
    )
    key_prefix: str = Field(
        default="", description="What external ids begin with, where two entities share an object."
    )
    group: str = Field(default="", description="Group of a board for new items.")
    filter: tuple[Condition, ...] | None = Field(
        default=None,
        description="Only records that meet every condition. [] takes a shipped filter away.",
    )
    fields: dict[str, Annotated[FieldRule, BeforeValidator(_rule), _ShortForms()]] = Field(
        default_factory=dict,
        description="Field → where its value comes from; no value leaves a shipped field out.",
    )

    @property
    def deleted_field(self) -> str:
        """The field that marks records which are gone from the ERP; "" when none does."""
        return next(
            (name for name, rule in self.fields.items() if rule.column == "_deleted_at"), ""
        )


class ShippedMapping(EntityMapping):
    """A shipped mapping, with its other styles. A style is whole: it takes nothing from the usual way."""

    styles: dict[str, EntityMapping] = Field(default_factory=dict)


@cache
def shipped_mappings(system: str) -> Mapping[str, ShippedMapping]:
    """Entity → the usual mapping of ``system`` (a type of connection)."""
    name = f"{system}.yaml"
    document = parse_document(
        files("ml_connector_dagster.config").joinpath("mapping", name).read_text("utf-8"), name
    )
    if document.problems or not isinstance(document.value, dict):
        raise ValueError(f"the shipped mapping {name}: {document.problems}")
    return {entity: ShippedMapping.model_validate(body) for entity, body in document.value.items()}


def resolved_mapping(system: str, entity: str, flow: EntityMapping | None) -> EntityMapping:
    """What the flow says over what is shipped; a mapping without ``object`` when nobody says anything."""
    shipped: EntityMapping = shipped_mappings(system).get(entity, ShippedMapping())
    if flow is None:
        flow = EntityMapping()
    if flow.style and isinstance(shipped, ShippedMapping):
        shipped = shipped.styles.get(flow.style, EntityMapping())
    fields = {name: rule for name, rule in (shipped.fields | flow.fields).items() if not rule.omit}
    return EntityMapping(
        style=flow.style,
        object=flow.object or shipped.object,
        label=flow.label or shipped.label,
        key=flow.key or shipped.key,
        key_prefix=flow.key_prefix or shipped.key_prefix,
        group=flow.group or shipped.group,
        filter=shipped.filter if flow.filter is None else flow.filter,
        fields=fields,
    )


def reference_to(entity: Entity, parent: str, columns: tuple[str, ...]) -> Reference | None:
    """How ``entity`` points at its ``parent``; ``columns`` choose where it has several ways."""
    known = ((entity.parent,) if entity.parent else ()) + entity.references
    for one in known:
        if one.entity == parent and columns in ((), one.columns):
            return one
    if columns and parent in ENTITIES and len(columns) == len(ENTITIES[parent].key):
        return Reference(entity=parent, columns=columns, target=ENTITIES[parent].key)
    return None


def read_operand(condition: Condition, operand: Plain, type_: ColumnType) -> Comparable:
    """``operand`` as the type of the condition's column. Raises ValueError with what would be right."""
    if condition.comparison == "present":
        return bool(operand)
    try:
        match type_:
            case ColumnType.BOOLEAN if isinstance(operand, bool):
                return operand
            case ColumnType.INTEGER if isinstance(operand, int) and not isinstance(operand, bool):
                return operand
            case ColumnType.DECIMAL if not isinstance(operand, bool):
                return Decimal(str(operand))
            case ColumnType.DATE if isinstance(operand, str):
                return date.fromisoformat(operand)
            case ColumnType.TIMESTAMP if isinstance(operand, str):
                return datetime.fromisoformat(operand)
            case ColumnType.STRING | ColumnType.JSON if isinstance(operand, str):
                return operand
    except (ValueError, ArithmeticError):
        pass
    wanted = {
        ColumnType.BOOLEAN: "true or false",
        ColumnType.INTEGER: "a whole number",
        ColumnType.DECIMAL: "a number",
        ColumnType.DATE: "a date like 2025-11-01",
        ColumnType.TIMESTAMP: "a time like 2025-11-01T00:00:00+00:00",
    }.get(type_, "a text in quotes")
    raise ValueError(f"{condition.column} is compared with {wanted}, got {shown(operand)}")
