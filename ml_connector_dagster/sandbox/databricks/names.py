"""The tables and files that a statement names: found, checked against the privileges, and put in the engine's terms."""

import re
from typing import Final, cast

import pyarrow.parquet as pq
import sqlglot
from sqlglot import exp

from ml_connector_dagster.sandbox.databricks.catalog import Catalog
from ml_connector_dagster.sandbox.databricks.engine import Name
from ml_connector_dagster.sandbox.databricks.information import SCHEMA, information
from ml_connector_dagster.sandbox.databricks.privileges import Privileges
from ml_connector_dagster.sandbox.databricks.refusals import ApiError, SqlError
from ml_connector_dagster.sandbox.databricks.volumes import Volumes


#: Parquet files of other writers are taken as Julian before 1582, unless told otherwise (read_files' options).
_READ_OPTIONS: Final = {"format": "parquet", "datetimerebasemode": "CORRECTED"}


class Resolver:
    """Resolves names for one principal."""

    def __init__(self, catalog: Catalog, volumes: Volumes, privileges: Privileges) -> None:
        self._catalog = catalog
        self._volumes = volumes
        self._privileges = privileges

    def qualify(self, table: exp.Expression) -> Name:
        """The full name of a table, which the tree has from then on."""
        parts = [part.name for part in cast("exp.Table", table).parts]
        if len(parts) != 3:
            raise SqlError(f"[SANDBOX] name tables with catalog and schema, not {'.'.join(parts)}")
        if not all(re.fullmatch(r"[^ ./\x00-\x1f\x7f]{1,255}", part) for part in parts):
            raise SqlError(
                f"[INVALID_PARAMETER_VALUE.INVALID_NAME] {'.'.join(parts)} is not a valid name"
            )
        name = (parts[0].lower(), parts[1].lower(), parts[2].lower())
        for key, part in zip(("catalog", "db", "this"), name, strict=True):
            table.set(key, exp.to_identifier(part, quoted=True))
        self._catalog.check_schema(*name[:2])
        return name

    def read(self, tree: exp.Expression, *, writes: exp.Expression | None = None) -> None:
        """Check every table of ``tree`` (``writes`` is written, too), and put files in place of read_files."""
        aliases = {one.alias for one in tree.find_all(exp.CTE)}
        for table in list(tree.find_all(exp.Table)):
            if isinstance(table.this, exp.Anonymous):
                self._read_files(table)
                continue
            if table.name in aliases and not table.db:
                continue
            if table.db.lower() == SCHEMA:
                self._describe(table)
                continue
            name = self.qualify(table)
            self._privileges.enter(*name[:2])
            relation = self._catalog.relation(name)
            self._privileges.need("SELECT", *name)
            if relation.kind == "VIEW" and table is not writes:
                # Sail's own views lose the quotes of columns' names.
                query = sqlglot.parse_one(relation.query, read="databricks")
                table.replace(exp.Subquery(this=query, alias=table.args.get("alias") or table.this))
            if table is writes:
                self._privileges.need("MODIFY", *name)

    def _describe(self, table: exp.Table) -> None:
        within = table.catalog.lower()
        if within not in self._catalog.catalogs:
            raise SqlError(f"[SANDBOX] name {SCHEMA} with its catalog, not {table.sql()}")
        self._privileges.enter(within)
        query = information(self._catalog, self._privileges, within, table.name.lower())
        table.replace(exp.Subquery(this=query, alias=table.args.get("alias") or table.this))

    def _read_files(self, table: exp.Table) -> None:
        call = table.this
        if call.name.lower() != "read_files":
            raise SqlError(f"[UNRESOLVABLE_TABLE_VALUED_FUNCTION] Could not resolve `{call.name}`.")
        path, *rest = call.expressions
        options = {one.this.name.lower(): one.expression.name for one in rest}
        if options != _READ_OPTIONS:
            raise SqlError(
                f"[SANDBOX] read_files is simulated with {_READ_OPTIONS} only, not {options}"
            )
        try:
            volume, local = self._volumes.local(path.name)
        except ApiError as error:
            raise SqlError(f"[PATH_NOT_FOUND] {error.message}") from error
        self._privileges.need("READ VOLUME", *volume, kind="Volume")
        files = sorted(local.glob("*.parquet")) if local.is_dir() else []
        if not files:
            raise SqlError(
                f"[CANNOT_INFER_EMPTY_SCHEMA] No files were found at {path.name}. SQLSTATE: 42000"
            )
        for file in files:
            pq.read_metadata(file)  # a file that was cut off is an error, not fewer rows
        replacement = exp.to_table("x")
        replacement.set("this", exp.to_identifier(str(local), quoted=True))
        replacement.set("db", exp.to_identifier("parquet"))
        if table.alias:
            replacement.set("alias", table.args["alias"])
        table.replace(replacement)
