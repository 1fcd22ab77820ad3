"""How a catalog writes one field: ``VendNum``, in M3 ``SUNO A10``, or a mapping when there is more to say."""

from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, StringConstraints, model_validator

from ml_connector_dagster.columns.layouts import ValueFormat
from ml_connector_dagster.model.entities import ColumnType


class CatalogModel(BaseModel):
    """Base of every catalog model: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


#: What an ERP calls a field; also what may stand in a query without quotes.
FieldName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_.]*$")]


class ErpType(StrEnum):
    """M3's own field types (reference cloudsuite-api §2.5)."""

    TEXT = "A"
    NUMBER = "N"
    DATE = "D"


#: Characters a field takes as text, beyond its length: a sign and a decimal point.
_NUMBER_MARGIN = 2
_DATE_WIDTH = 8

_DEFAULT_FORMATS = {
    ColumnType.STRING: ValueFormat.TEXT,
    ColumnType.INTEGER: ValueFormat.INTEGER,
    ColumnType.DECIMAL: ValueFormat.NUMBER,
    ColumnType.DATE: ValueFormat.DATE,
    ColumnType.TIMESTAMP: ValueFormat.TIMESTAMP,
    ColumnType.BOOLEAN: ValueFormat.FLAG,
    ColumnType.JSON: ValueFormat.TEXT,
}


class MappedField(CatalogModel):
    """One ERP field of a line that calls its fields by name; in short just that name: ``VendNum``.

    ``format`` says how the ERP writes it, where that is not what the canonical column suggests.
    """

    source: FieldName
    format: ValueFormat | None = None
    negate: bool = False

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"source": value.strip()} if isinstance(value, str) else value

    def format_for(self, column: ColumnType) -> ValueFormat:
        """The format to read it with; follows from the canonical column unless the catalog says otherwise."""
        return self.format or _DEFAULT_FORMATS[column]


class FieldSpec(MappedField):
    """One M3 field. ``length`` bounds a row of an export; ``type`` decides how a key is quoted in a query."""

    type: ErpType = ErpType.TEXT
    length: int = 36

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        source, _, shape = value.strip().partition(" ")
        if not shape:
            return {"source": source}
        if shape[0] not in tuple(ErpType) or not shape[1:].isdigit():
            raise ValueError(
                f"{value!r} is no field; write it like 'SUNO A10' (A text, N number, D date, then the length)"
            )
        return {"source": source, "type": shape[0], "length": int(shape[1:])}

    @model_validator(mode="after")
    def _source_is_a_name(self) -> Self:
        if not self.source.isalnum() or not self.source.isupper():
            raise ValueError(f"field name {self.source!r} must be upper-case letters and digits")
        return self

    @property
    def width(self) -> int:
        """The most characters that a value takes in the text of an export row."""
        if self.type is ErpType.DATE:
            return _DATE_WIDTH
        return self.length + _NUMBER_MARGIN if self.type is ErpType.NUMBER else self.length
