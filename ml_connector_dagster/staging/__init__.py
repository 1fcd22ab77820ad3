"""Batches in a folder or in object storage: immutable Parquet with a manifest, there whole or not at all."""

from ml_connector_dagster.staging.area import Staging
from ml_connector_dagster.staging.writing import BatchWriter


__all__ = ["BatchWriter", "Staging"]
