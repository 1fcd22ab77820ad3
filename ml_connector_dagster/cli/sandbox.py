"""``ml-connector sandbox``: the stand-ins of the outside systems, for people and for other projects' CI."""

from pathlib import Path
from typing import Annotated

import typer

from ml_connector_dagster.cli.output import stdout
from ml_connector_dagster.config.settings import read_settings
from ml_connector_dagster.credentials import open_store
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.sandbox import ErpSize, Sandbox, SandboxOptions


TENANT = "ACME_TST"


def sandbox(
    port: Annotated[int, typer.Option(help="Port on loopback; 0 picks a free one.")] = 8700,
    size: Annotated[str, typer.Option(help="default or tiny.")] = "default",
    seed: Annotated[int, typer.Option(help="The same seed and day give the same ERP.")] = 1,
    credential: Annotated[
        str, typer.Option(help="Store the tenant's .ionapi under this name; '' leaves it.")
    ] = "acme",
    ionapi: Annotated[Path | None, typer.Option(help="Also write the .ionapi file here.")] = None,
) -> None:
    """Serve the sandbox until Ctrl-C: the ION gateway with M3 over a seeded ERP, with faults on a switch."""
    with Sandbox.start(sandbox_options(size, seed), port=port) as running:
        text = running.ionapi_text(TENANT)
        if credential:
            open_store(read_settings()).add(credential, "ionapi", {"ionapi": Secret(text)})
        if ionapi is not None:
            ionapi.touch(mode=0o600)
            ionapi.write_text(text)
        stdout.print(f"Sandbox of tenant [bold]{TENANT}[/] at {running.url}  (Ctrl-C ends it)")
        running.wait()


def sandbox_options(size: str, seed: int = 1) -> SandboxOptions:
    """The options of a sandbox that people look at."""
    if size not in ("default", "tiny"):
        raise typer.BadParameter(f"{size!r} is neither 'default' nor 'tiny'", param_hint="--size")
    return SandboxOptions(seed=seed, size=ErpSize() if size == "default" else ErpSize.tiny())
