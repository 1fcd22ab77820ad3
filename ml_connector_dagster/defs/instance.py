"""Dagster's own storage: SQLite in DAGSTER_HOME, or PostgreSQL when DAGSTER_PG_URL is set.

``dagster.yaml`` knows no conditions, so the choice is made here; these two variables are Dagster's, not the
connector's. The base classes are Dagster's own but not public, which is why a test opens an instance with them.
"""

import os
from collections.abc import Mapping
from importlib import import_module

from dagster import Field, Noneable, StringSource
from dagster._config.config_schema import UserConfigSchema
from dagster._core.storage.base_storage import DagsterStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClass, ConfigurableClassData

from ml_connector_dagster.credentials.redaction import register_url


class EnvironmentStorage(DagsterStorage, ConfigurableClass):
    """Named by ``storage.custom`` in dagster.yaml; opens one of Dagster's two storages in its own place."""

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        return {
            "base_dir": Field(
                Noneable(StringSource),
                is_required=False,
                default_value=None,
                description="Where SQLite keeps its files; DAGSTER_HOME when left out.",
            )
        }

    @classmethod
    def from_config_value(  # type: ignore[override]  # answers a sibling: Dagster only needs a DagsterStorage
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, str | None]
    ) -> DagsterStorage:
        url = os.environ.get("DAGSTER_PG_URL")
        if url:
            register_url(url)
            try:
                postgres = import_module("dagster_postgres")
            except ImportError as error:
                raise ModuleNotFoundError(
                    "DAGSTER_PG_URL is set, but dagster-postgres is not installed. "
                    "Install it with: pip install 'ml-connector-dagster[postgres]'"
                ) from error
            storage: DagsterStorage = postgres.DagsterPostgresStorage(
                postgres_url=url, should_autocreate_tables=True, inst_data=inst_data
            )
            return storage
        base_dir = config_value.get("base_dir") or os.environ.get("DAGSTER_HOME") or ".dagster_home"
        return DagsterSqliteStorage.from_local(os.path.abspath(base_dir), inst_data=inst_data)
