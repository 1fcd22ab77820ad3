"""``ml-connector sandbox``: the stand-ins of the outside systems, for people and for other projects' CI."""

import json
from pathlib import Path
from typing import Annotated

import typer

from ml_connector_dagster.cli.demo_home import claim
from ml_connector_dagster.cli.output import stdout
from ml_connector_dagster.config.settings import Settings, read_settings
from ml_connector_dagster.credentials import open_store
from ml_connector_dagster.model.errors import ConfigError
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.sandbox import ErpSize, Sandbox, SandboxOptions


TENANT = "ACME_TST"

#: What the gateway allows; flows/sandbox.yaml asks for no more.
REQUESTS_PER_MINUTE = 600


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
            settings = read_settings()
            claim(settings)
            store_ionapi(settings, credential, text)
        if ionapi is not None:
            ionapi.touch(mode=0o600)
            ionapi.write_text(text)
        stdout.print(f"Sandbox of tenant [bold]{TENANT}[/] at {running.url}  (Ctrl-C ends it)")
        running.wait()


def store_ionapi(settings: Settings, name: str, text: str) -> None:
    """Store the sandbox's .ionapi. Raises ConfigError rather than overwrite that of another tenant."""
    store = open_store(settings)
    if any(info.name == name for info in store.list()):
        held = store.get(name).values.get("ionapi")
        if held is None or json.loads(held.reveal()).get("ti") != json.loads(text)["ti"]:
            raise ConfigError(
                f"credential {name!r} is of another system than the sandbox and is left alone: give "
                "--credential ANOTHER_NAME, or ML_CONNECTOR_HOME=FOLDER for a home of its own"
            )
    store.add(name, "ionapi", {"ionapi": Secret(text)})


def sandbox_options(size: str, seed: int = 1) -> SandboxOptions:
    """The options of a sandbox that people look at."""
    if size not in ("default", "tiny"):
        raise typer.BadParameter(f"{size!r} is neither 'default' nor 'tiny'", param_hint="--size")
    return SandboxOptions(
        seed=seed,
        size=ErpSize() if size == "default" else ErpSize.tiny(),
        requests_per_minute=REQUESTS_PER_MINUTE,
    )
