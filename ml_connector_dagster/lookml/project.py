"""A whole LookML project for a flow: manifest, model, views, dashboards. The same input gives the same bytes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from ml_connector_dagster.lookml.dashboards import DASHBOARDS, document
from ml_connector_dagster.lookml.explores import explore
from ml_connector_dagster.lookml.names import Dialect, connection_name, identifier, text
from ml_connector_dagster.lookml.tables import MARKER_TABLE, Table, tables_of
from ml_connector_dagster.lookml.views import view
from ml_connector_dagster.marts import Mart
from ml_connector_dagster.model.entities import Entity
from ml_connector_dagster.model.errors import ConfigError, MissingDriverError


_HEAD: Final = "# Written by ml-connector from the entities and marts: changes here are lost at the next write.\n"
_ENDINGS: Final = (".lkml", ".lookml")


@dataclass(frozen=True, slots=True, kw_only=True)
class LookmlProject:
    """What LookML is generated for.

    Attributes:
        project: Looker's name of the project.
        model: the model's name; dashboards are ``<model>::<dashboard>``.
        label: the model's name for people.
        connection: Looker's name of the connection to the warehouse.
        schema: path of the tables' schema there: (schema,), or (database, schema).
        datagroup: what a load triggers.
    """

    project: str
    model: str
    label: str
    connection: str
    dialect: Dialect
    schema: tuple[str, ...]
    entities: tuple[Entity, ...]
    marts: tuple[Mart, ...]
    datagroup: str = "erp_sync"

    @property
    def tables(self) -> tuple[Table, ...]:
        """The tables that have a view."""
        return tables_of(self.entities, self.marts)

    def files(self) -> dict[str, str]:
        """Path inside the project → text."""
        tables = {table.view: table for table in self.tables}
        names = frozenset(tables)
        files = {
            "manifest.lkml": _dump({"project_name": identifier(self.project)}),
            f"models/{identifier(self.model)}.model.lkml": _dump(self._model(tables)),
        }
        for table in tables.values():
            block = view(table, self.schema, self.dialect, names)
            files[f"views/{table.view}.view.lkml"] = _dump({"views": [block]})
        for dashboard in DASHBOARDS:
            if dashboard.mart in tables:
                files[f"dashboards/{dashboard.mart}.dashboard.lookml"] = _yaml(
                    document(dashboard, self.model)
                )
        return files

    def _model(self, tables: Mapping[str, Table]) -> dict[str, Any]:
        marker = self.dialect.table(self.schema, MARKER_TABLE)
        column = self.dialect.path("finished_at")
        includes = ["/views/*.view.lkml"]
        if any(dashboard.mart in tables for dashboard in DASHBOARDS):
            includes.append("/dashboards/*.dashboard.lookml")
        return {
            "connection": connection_name(self.connection),
            "label": text(self.label),
            "includes": includes,
            "week_start_day": "monday",
            "datagroups": [
                {
                    "name": identifier(self.datagroup),
                    "label": "ERP sync",
                    "description": "Triggered after each load; looks at the sync marker by itself, too.",
                    "max_cache_age": "24 hours",
                    "sql_trigger": f"SELECT MAX({column}) FROM {marker}",
                }
            ],
            "persist_with": self.datagroup,
            "explores": [explore(table, tables) for table in tables.values()],
        }


def write(project: LookmlProject, folder: Path) -> tuple[str, ...]:
    """Write the project's files into ``folder``; answers the paths that changed.

    LookML that this project does not have (a view of an entity that the flow no longer reads) is removed, if it was
    written by us: other files in the folder are a person's.
    """
    files = project.files()
    changed = []
    for path, content in files.items():
        target = folder / path
        if target.is_file() and target.read_text(encoding="utf-8") == content:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content, encoding="utf-8")
        changed.append(path)
    for path, content in read(folder).items():
        if path not in files and content.startswith(_HEAD):
            (folder / path).unlink()
            changed.append(path)
    return tuple(sorted(changed))


def read(folder: Path) -> dict[str, str]:
    """The LookML files in ``folder``, by path, in order."""
    if not folder.is_dir():
        raise ConfigError(
            f"{folder} is not a folder with LookML; write one with: ml-connector lookml write"
        )
    found = (one for one in folder.rglob("*") if one.is_file() and one.suffix in _ENDINGS)
    return {
        one.relative_to(folder).as_posix(): one.read_text(encoding="utf-8") for one in sorted(found)
    }


def _dump(content: dict[str, Any]) -> str:
    try:
        import lkml  # of the extra: who writes no LookML needs none
    except ImportError:
        raise MissingDriverError("lkml", "looker") from None
    return f"{_HEAD}{(lkml.dump(content) or '').rstrip()}\n"


def _yaml(content: object) -> str:
    return _HEAD + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
