"""``ml-connector credentials``: the encrypted store. Values go in and are never shown."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ml_connector_dagster.cli.output import print_json, print_table, stdout
from ml_connector_dagster.cloudsuite.ionapi import IonApi
from ml_connector_dagster.config.settings import read_settings
from ml_connector_dagster.credentials import open_store, rotate_keys
from ml_connector_dagster.model.errors import ConfigError
from ml_connector_dagster.model.secrets import Secret


app = typer.Typer(
    help="Add, list, rotate and remove the encrypted credentials.", no_args_is_help=True
)


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="The name that connections refer to.")],
    ionapi: Annotated[
        Path | None,
        typer.Option(
            help="The .ionapi file of a CloudSuite tenant, as downloaded; '-' reads stdin."
        ),
    ] = None,
    kind: Annotated[str, typer.Option(help="What the values are for, e.g. snowflake.")] = "values",
    field: Annotated[
        list[str] | None,
        typer.Option(
            help="A field to ask for (typed hidden, or read from stdin line by line). Repeat it."
        ),
    ] = None,
) -> None:
    """Add a credential, or replace the one of that name. Values are never taken from the command line."""
    if ionapi is not None:
        text = sys.stdin.read() if str(ionapi) == "-" else _read(ionapi)
        # Read once for its problems. The address that is missing on-premise stands in YAML (base_url).
        IonApi.parse(text, base_url="https://on-premise.invalid")
        kind, values = "ionapi", {"ionapi": Secret(text)}
    elif field:
        values = {one: Secret(_ask(one)) for one in field}
    else:
        raise ConfigError("nothing to add: give --ionapi FILE, or --field NAME for each value")
    open_store(read_settings()).add(name, kind, values)
    stdout.print(f"Stored credential [bold]{name}[/] ({kind}), encrypted.")


@app.command("list")
def list_credentials(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List names, kinds and fields; never a value."""
    infos = open_store(read_settings()).list()
    if as_json:
        print_json(
            [
                {
                    "name": info.name,
                    "kind": info.kind,
                    "fields": info.fields,
                    "added_at": info.added_at,
                }
                for info in infos
            ]
        )
        return
    if not infos:
        stdout.print("No credentials yet. Add one: ml-connector credentials add NAME --ionapi FILE")
        return
    print_table(
        "Credentials",
        ["name", "kind", "fields", "added at"],
        [[info.name, info.kind, ", ".join(info.fields), info.added_at] for info in infos],
    )


@app.command()
def rotate() -> None:
    """Make a new encryption key and re-encrypt every value under it. Running work goes on."""
    count = rotate_keys(read_settings())
    stdout.print(f"Re-encrypted {count} credential(s) under a new key.")


@app.command()
def remove(
    name: Annotated[str, typer.Argument(help="The credential to remove.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove a credential."""
    if not yes:
        typer.confirm(f"Remove credential {name!r}?", abort=True)
    open_store(read_settings()).remove(name)
    stdout.print(f"Removed credential [bold]{name}[/].")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"cannot read {path}: {error}; give the .ionapi file as downloaded"
        ) from error


def _ask(field: str) -> str:
    if sys.stdin.isatty():
        return str(typer.prompt(field, hide_input=True))
    return sys.stdin.readline().rstrip("\n")
