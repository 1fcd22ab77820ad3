"""LookML from the canonical entities and marts, and a check of LookML against itself and against the warehouse."""

from ml_connector_dagster.lookml.checking import Fit, check, fit
from ml_connector_dagster.lookml.lineage import FieldLineage, field_lineage
from ml_connector_dagster.lookml.names import DIALECTS, Dialect
from ml_connector_dagster.lookml.parsed import Problem
from ml_connector_dagster.lookml.project import LookmlProject, read, write
from ml_connector_dagster.lookml.tables import MARKER_TABLE, MARKER_VIEW


__all__ = [
    "DIALECTS",
    "MARKER_TABLE",
    "MARKER_VIEW",
    "Dialect",
    "FieldLineage",
    "Fit",
    "LookmlProject",
    "Problem",
    "check",
    "field_lineage",
    "fit",
    "read",
    "write",
]
