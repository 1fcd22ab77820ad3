"""What a workspace looks like when it starts."""

from dataclasses import dataclass, field

from ml_connector_dagster.sandbox.databricks.privileges import Grant


#: The least that a loader needs when it makes its schema itself; it owns what it made.
LOADER_GRANTS = (
    Grant(privilege="USE CATALOG", securable="main"),
    Grant(privilege="CREATE SCHEMA", securable="main"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceOptions:
    """A workspace with one warehouse and one principal, who has a token and a client secret.

    Attributes:
        principal: who acts, as ``current_user`` and error messages name him.
        can_use_warehouse: whether the principal has CAN USE on the warehouse.
        token_seconds: how long an OAuth token lives.
        chunk_rows: rows per result chunk.
        threads: of the engine; 0 for one per processor. One is fastest for tables of a few rows.
    """

    catalogs: tuple[str, ...] = ("main",)
    warehouse_id: str = "0123456789abcdef"
    principal: str = "loader@example.com"
    token: str = "dapi-of-the-loader"
    client_id: str = "11111111-2222-3333-4444-555555555555"
    client_secret: str = "client secret of the loader"
    grants: tuple[Grant, ...] = field(default=LOADER_GRANTS)
    can_use_warehouse: bool = True
    token_seconds: int = 3600
    chunk_rows: int = 50_000
    threads: int = 0
