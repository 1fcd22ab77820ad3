"""What a role may do. Who may not even see an object is told that it does not exist, as Snowflake tells it."""

from collections.abc import Iterator
from typing import Any, Final

from sqlglot import exp

from ml_connector_dagster.sandbox.snowflake.accounts import Account
from ml_connector_dagster.sandbox.snowflake.catalog import Catalog, Path
from ml_connector_dagster.sandbox.snowflake.refusals import (
    Refusal,
    no_such_object,
    not_permitted,
)
from ml_connector_dagster.sandbox.snowflake.sessions import Session


_CHANGES: Final[dict[type[exp.Expression], str]] = {
    exp.Insert: "INSERT",
    exp.Update: "UPDATE",
    exp.Delete: "DELETE",
}
_OF_THE_OWNER: Final = (exp.Alter, exp.Drop, exp.Comment, exp.TruncateTable)


def target_of(tree: Any) -> Any:
    """The table, view or schema that a statement makes or changes."""
    target: Any = tree.args.get("this") or (tree.args.get("tables") or tree.expressions)[0]
    return target if isinstance(target, exp.Table) else target.find(exp.Table)


class Privileges:
    """Checks before a statement runs. Raises Refusal 002003, 003001 or 000606."""

    def __init__(self, account: Account, catalog: Catalog) -> None:
        self._account = account
        self._catalog = catalog

    def check(self, session: Session, privilege: str, kind: str, path: Path) -> None:
        name = ".".join(path)
        if not self._account.may(session.role, privilege, kind, name):
            raise not_permitted(kind.lower(), name)

    def check_database(self, session: Session, name: str) -> None:
        self._use(session, "DATABASE", (name,))

    def check_schema(self, session: Session, path: Path) -> None:
        """Database and schema are there, and may be used."""
        self._use(session, "DATABASE", path[:1])
        if not self._catalog.has_schema(path[:2]):
            raise no_such_object("Schema", ".".join(path[:2]))
        self._use(session, "SCHEMA", path[:2])

    def check_warehouse(self, session: Session) -> None:
        name = session.warehouse
        if name not in self._account.warehouses or not self._account.may(
            session.role, "USAGE", "WAREHOUSE", name
        ):
            raise Refusal(
                "000606",
                "57P03",
                "No active warehouse selected in the current session. "
                "Select an active warehouse with the 'use warehouse' command.",
            )

    def _use(self, session: Session, kind: str, path: Path) -> None:
        known = path[0] in self._catalog.databases
        if not known or not self._account.may(session.role, "USAGE", kind, ".".join(path)):
            raise no_such_object(kind.capitalize(), ".".join(path))

    def permit(self, session: Session, tree: Any) -> None:
        """Everything that the statement touches; its names are whole by now."""
        if isinstance(tree, exp.Create | exp.Drop) and tree.kind == "SCHEMA":
            self._permit_schema(session, tree)
            return
        target = self._target(tree)
        for table in tree.find_all(exp.Table):
            if not isinstance(table.this, exp.Identifier) or len(table.parts) != 3:
                continue
            path = tuple(part.name for part in table.parts)
            self.check_schema(session, path)
            if table is target and isinstance(tree, exp.Create):
                self._permit_creation(session, tree, path)
            elif table is target and isinstance(tree, exp.Drop) and tree.args.get("exists"):
                if path in self._catalog.entries:
                    self.touch(session, path, "OWNERSHIP")
            else:
                for privilege in self._wanted(tree) if table is target else ("SELECT",):
                    self.touch(session, path, privilege)

    def _permit_schema(self, session: Session, tree: Any) -> None:
        path = tuple(part.name for part in target_of(tree).parts)
        self._use(session, "DATABASE", path[:1])
        exists = self._catalog.has_schema(path)
        if isinstance(tree, exp.Drop):
            if exists:
                self.check(session, "OWNERSHIP", "SCHEMA", path)
        elif not (exists and tree.args.get("exists")):
            self.check(session, "CREATE SCHEMA", "DATABASE", path[:1])

    def _permit_creation(self, session: Session, tree: Any, path: Path) -> None:
        if path in self._catalog.entries:
            if tree.args.get("replace"):
                self.touch(session, path, "OWNERSHIP")
            return  # IF NOT EXISTS, or DuckDB refuses it
        self.check(session, f"CREATE {tree.kind}", "SCHEMA", path[:2])

    def touch(self, session: Session, path: Path, privilege: str) -> None:
        """The privilege on one table or view."""
        name = ".".join(path)
        entry = self._catalog.entries.get(path)
        kinds = {one[1:] for one in tuple(self._account.roles[session.role].grants)}
        if entry is None or (entry.kind, name) not in kinds:
            raise no_such_object("Object", name)
        if not self._account.may(session.role, privilege, entry.kind, name):
            raise not_permitted(entry.kind.lower(), path[-1])

    def _target(self, tree: Any) -> Any:
        if isinstance(tree, (exp.Create, exp.Merge, *_CHANGES, *_OF_THE_OWNER)):
            return target_of(tree)
        return None

    def _wanted(self, tree: Any) -> Iterator[str]:
        if isinstance(tree, _OF_THE_OWNER):
            yield "OWNERSHIP"
        elif isinstance(tree, exp.Merge):
            yield "SELECT"
            for when in tree.find_all(exp.When):
                yield _CHANGES.get(type(when.args["then"]), "DELETE")
        else:
            yield _CHANGES[type(tree)]
