"""The deterministic generator: seed, size and today fully determine every row."""

from ml_connector_dagster.sandbox.erp.generation.build import build_database as build_database


__all__ = ["build_database"]
