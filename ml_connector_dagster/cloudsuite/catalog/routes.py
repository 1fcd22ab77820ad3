"""The ways to an M3 entity, as catalog data: list transactions, and EXPORTMI selects on a table.

Reference cloudsuite-api §2.8 (paging, mass read), §2.9 (change time), §2.10 (programs). Nothing here asks the ERP.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from ml_connector_dagster.cloudsuite.catalog.fields import CatalogModel, ErpType
from ml_connector_dagster.cloudsuite.catalog.lake import CompassRoute


Name = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{2,15}$")]
Program = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{3,10}$")]
Transaction = Annotated[
    str, StringConstraints(pattern=r"^(Lst|Get|Sel|Select|Search)[A-Za-z0-9]*$")
]


def _as_texts(value: object) -> object:
    """One value or a list of them; a YAML number is taken as the digits it was written with."""
    many = value if isinstance(value, list | tuple) else [value]
    return tuple(
        str(one) if isinstance(one, int) and not isinstance(one, bool) else one for one in many
    )


#: Fixed input. More than one value means: read once for each.
Values = Annotated[tuple[str, ...], BeforeValidator(_as_texts), Field(min_length=1)]


class StampUnit(StrEnum):
    """How a "changed since" input is written."""

    EPOCH_MILLISECONDS = "epoch_milliseconds"
    DATE = "date"  # yyyyMMdd


class ChangedSince(CatalogModel):
    """An input that leaves out what changed before it; there is no upper end."""

    input: Name
    unit: StampUnit = StampUnit.EPOCH_MILLISECONDS


class ChangedBetween(CatalogModel):
    """Inputs for the first and last change date, both included. ``transaction`` when it is another one than the full list's."""

    first: Name
    last: Name
    transaction: Transaction | None = None


class InBulk(CatalogModel):
    """Another list of the same program, in the same order, that has the fields too. ``position``: its from-key inputs."""

    transaction: Transaction
    position: dict[Name, Name]


class Complete(CatalogModel):
    """A Get transaction that brings the fields a list lacks, by bulk POST.

    ``key``: input → field of the list's row. ``fields``: what to take; a field the list has too is taken from the Get, which is later.
    ``many``: what to ask in place of very many Gets, when the list is read whole.
    """

    program: Program
    transaction: Transaction
    key: dict[Name, Name]
    fields: tuple[Name, ...] = Field(min_length=1)
    many: InBulk | None = None


class Children(CatalogModel):
    """A list transaction asked once per row of the list before it (bulk POST); its rows take the place of the parents'.

    ``inputs``: input → field of the parent's row. ``carry``: fields of the parent that each child row gets too.
    ``chunk``: parents per bulk call; fewer than a Get's because each brings many rows.
    """

    program: Program
    transaction: Transaction
    inputs: dict[Name, Name]
    carry: tuple[Name, ...] = ()
    names: dict[Name, Name] = Field(default_factory=dict)
    chunk: int = Field(default=20, ge=1, le=500)


class ListRoute(CatalogModel):
    """A list transaction that pages by key positioning: it starts at the key it is given, and has no end but its own.

    Attributes:
        position: from-key input → field of the row, in index order.
        start: what a mandatory from-key input is given at the start: something that sorts before every key.
        inputs: fixed inputs; several values make several chains.
        per_division: read once for each division of the company, and (``blank_division``) for the blank one.
        keep_inputs: inputs whose value is put into every row, because the output lacks it.
        changed_since, changed_between: how a window becomes inputs; neither: the list is read whole.
        complete, children: see there. A list with children reads ``page_rows`` parents at a time.
        constants: fields that every row gets, for children's inputs and for keys; several values make several chains.
        blank_parents: the parents of a division are its own rows and those of the blank division.
        names: the entity's field → what this list calls it.
        fields: "*" asks for all the transaction has, so that a tenant's own fields land in ``_extra``; or further fields.
        split_at: keys at which the list is cut into chains that are read side by side.
    """

    kind: Literal["list"]
    program: Program
    transaction: Transaction
    position: dict[Name, Name]
    start: dict[Name, str] = Field(default_factory=dict)
    inputs: dict[Name, Values] = Field(default_factory=dict)
    per_division: bool = False
    blank_division: bool = False
    division_input: Name = "DIVI"
    keep_inputs: tuple[Name, ...] = ()
    changed_since: ChangedSince | None = None
    changed_between: ChangedBetween | None = None
    complete: tuple[Complete, ...] = ()
    children: tuple[Children, ...] = ()
    constants: dict[Name, Values] = Field(default_factory=dict)
    blank_parents: bool = False
    names: dict[Name, Name] = Field(default_factory=dict)
    fields: Literal["*"] | tuple[Name, ...] = "*"
    page_rows: int | None = Field(default=None, ge=2)
    split_at: tuple[str, ...] = ()
    slices: int = Field(default=1, ge=1, le=64)

    @model_validator(mode="after")
    def _one_change_filter(self) -> "ListRoute":
        if self.changed_since is not None and self.changed_between is not None:
            raise ValueError("give changed_since or changed_between, not both")
        if self.split_at and len(self.position) != 1:
            raise ValueError("split_at needs a list that is positioned by one key")
        return self

    @property
    def label(self) -> str:
        last = self.children[-1] if self.children else self
        return f"list {last.program}/{last.transaction}"


class Lookup(CatalogModel):
    """A second table that is read for the keys of each page.

    ``by`` must lead the key of both tables. ``also_changed``: a row of the second table that alone changed counts as a change.
    ``required``: a record without a row there is not a record (its header is gone); otherwise its fields stay null.
    """

    table: Name
    prefix: Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{2}$")]
    key: tuple[Name, ...]
    by: tuple[Name, ...] = Field(min_length=1)
    fields: tuple[Name, ...]
    also_changed: bool = False
    required: bool = False


class ExportRoute(CatalogModel):
    """EXPORTMI Select on a table, paged by ranges of its key.

    Attributes:
        where: field → value; several values make several chains. ``between``: field → (first, last), both included.
        key: the table's key without the company, in order.
        types: the ERP's type of fields that no column takes, for ``where`` and keys.
        names: the entity's field → the table's, without prefix.
        extra: further columns, for ``_extra``.
        absent: fields of the entity that the table does not have.
        slices: into how many windows a long read is cut, so that they are read side by side.
    """

    kind: Literal["export"]
    table: Name
    prefix: Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{2}$")]
    key: tuple[Name, ...] = Field(min_length=1)
    where: dict[Name, Values] = Field(default_factory=dict)
    between: dict[Name, Annotated[tuple[str, str], BeforeValidator(_as_texts)]] = Field(
        default_factory=dict
    )
    per_division: bool = False
    blank_division: bool = False
    types: dict[Name, ErpType] = Field(default_factory=dict)
    names: dict[Name, Name] = Field(default_factory=dict)
    extra: tuple[Name, ...] = ()
    absent: tuple[Name, ...] = ()
    lookups: tuple[Lookup, ...] = ()
    page_rows: int | None = Field(default=None, ge=2)
    slices: int = Field(default=1, ge=1, le=64)

    @model_validator(mode="after")
    def _lookups_follow_the_key(self) -> "ExportRoute":
        for lookup in self.lookups:
            for key, table in ((self.key, self.table), (lookup.key, lookup.table)):
                if key[: len(lookup.by)] != lookup.by:
                    raise ValueError(
                        f"lookup {lookup.table}: 'by' {list(lookup.by)} must lead the key of {table} {list(key)}"
                    )
        return self

    @property
    def label(self) -> str:
        return f"export {self.table}"


Route = Annotated[ListRoute | ExportRoute | CompassRoute, Field(discriminator="kind")]
