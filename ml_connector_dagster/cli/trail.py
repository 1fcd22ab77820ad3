"""``ml-connector trail``: what happened to all records, by SQL."""

from pathlib import Path
from typing import Annotated

import pyarrow as pa
import typer

from ml_connector_dagster.cli.output import print_json, print_records, print_table, stderr, stdout
from ml_connector_dagster.config.settings import read_settings
from ml_connector_dagster.model.errors import ConfigError
from ml_connector_dagster.sync.trail import Trail
from ml_connector_dagster.sync.workspace import Workspace


#: Without a query: how much of what happened, where, and when last.
_OVERVIEW = """\
SELECT entity, what, place, outcome, count(*) AS events, max(happened_at) AS last
FROM trail GROUP BY ALL ORDER BY entity, what, place, outcome"""

#: Rows that are printed; a file gets all.
_SHOWN = 200

#: More columns than these are unreadable beside each other.
_BESIDE = 8


def trail(
    sql: Annotated[
        str, typer.Option(help="A query; the table is called trail. An overview when left out.")
    ] = "",
    out: Annotated[
        Path | None, typer.Option(help="Write the answer to this file: .parquet or .csv.")
    ] = None,
    update: Annotated[
        bool, typer.Option(help="First take over what has happened since the last time.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Ask what happened to all records: reads, deliveries, refusals, replays and edits, as one table.

    Columns of trail: happened_at, what, tenant, company, entity, record_id, place, outcome, detail, remote_id, batch_id, run_id.
    It is kept in trail.duckdb in the home folder, which any DuckDB client can open.
    """
    if out is not None and out.suffix.lower() not in (".parquet", ".csv"):
        raise ConfigError(f"{out} must end in .parquet or .csv")
    query = sql or _OVERVIEW
    with Workspace.open(read_settings()) as workspace:
        kept = Trail(workspace)
        if update:
            with stderr.status("Taking over what happened ..."):
                kept.update()
        if out is not None:
            kept.export(query, out)
            stdout.print(f"{out} is written.", markup=False)
            return
        _print(kept.ask(query), as_json=as_json)


def _print(answer: pa.Table, *, as_json: bool) -> None:
    if as_json:
        print_json(answer.to_pylist())
        return
    rows = answer.slice(0, _SHOWN).to_pylist()
    if answer.num_columns > _BESIDE:
        print_records("Trail", rows)
    else:
        print_table("Trail", answer.column_names, [list(row.values()) for row in rows])
    if answer.num_rows > _SHOWN:
        stdout.print(f"These are {_SHOWN} of {answer.num_rows:,} rows; --out writes all to a file.")
