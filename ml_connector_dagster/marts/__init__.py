"""Marts: views that answer questions of the business, one SQL definition each for every warehouse."""

from ml_connector_dagster.marts.catalog import MARTS, missing_entities
from ml_connector_dagster.marts.mart import AsOf, Mart, MartColumn


__all__ = ["MARTS", "AsOf", "Mart", "MartColumn", "missing_entities"]
