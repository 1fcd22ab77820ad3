"""The shape of ``m3.yaml``."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from ml_connector_dagster.cloudsuite.catalog.entities import EntityCatalog, LineCatalog
from ml_connector_dagster.cloudsuite.catalog.fields import CatalogModel, FieldSpec
from ml_connector_dagster.cloudsuite.catalog.lake import LAKE_PARTS
from ml_connector_dagster.cloudsuite.catalog.loading import load_catalog
from ml_connector_dagster.cloudsuite.catalog.routes import (
    ChangedBetween,
    ChangedSince,
    Children,
    Complete,
    ExportRoute,
    ListRoute,
    Lookup,
    Name,
    Route,
)


class M3Entity(EntityCatalog[FieldSpec, Route]):
    """One entity as M3 has it: fields with their lengths, by list transactions, EXPORTMI or the data lake."""

    modified: Name | None = None
    ignored: tuple[Name, ...] = ()


class M3Catalog(LineCatalog[M3Entity]):
    """Everything the M3 product line knows about names.

    Attributes:
        row_caps: an answer of exactly so many rows, when more were asked for, is taken to be cut short.
        bulk_chunk: Get transactions per bulk POST (§2.4: 80 in use; more meets gateway timeouts).
        separators: tried in order when a value of an exported row holds the one before.
        reply_length: the most characters of an exported row (EXPORTMI's REPL is A984).
        company_condition: whether an export names the company in its query (§9, uncertainty 4).
        ignored: ERP fields that never land in ``_extra``.
    """

    product_line: Literal["m3"]
    row_caps: tuple[int, ...] = (100, 1000, 10_000)
    bulk_chunk: int = Field(default=80, ge=1, le=500)
    separators: tuple[str, ...] = ("|", "~", "^", "`")
    reply_length: int = Field(default=984, ge=100, le=984)
    company_condition: bool = True
    ignored: tuple[Name, ...] = ("CONO",)

    @model_validator(mode="after")
    def _separators_are_characters(self) -> "M3Catalog":
        if any(len(separator) != 1 for separator in self.separators) or not self.separators:
            raise ValueError("separators: each must be one character")
        return self


_PARTS: tuple[type[CatalogModel], ...] = (
    M3Catalog, M3Entity, FieldSpec, ListRoute, ExportRoute, Lookup, Complete, Children, ChangedSince, ChangedBetween,
    *LAKE_PARTS,
)  # fmt: skip


def load_m3_catalog(override: Path | None = None) -> M3Catalog:
    """The built-in catalog with ``override`` laid over it. Raises ConfigError for every problem at once."""
    return load_catalog(M3Catalog, "m3.yaml", override, label="M3", parts=_PARTS)
