"""``ml-connector sandbox``: the stand-ins of the outside systems, for people and for other projects' CI."""

import json
from pathlib import Path
from typing import Annotated, Final

import typer

from ml_connector_dagster.cli.dagster_process import port_is_free
from ml_connector_dagster.cli.demo_home import claim
from ml_connector_dagster.cli.output import stdout
from ml_connector_dagster.config.settings import Settings, read_settings
from ml_connector_dagster.credentials import open_store
from ml_connector_dagster.model.errors import ConfigError
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.sandbox import ErpSize, Sandbox, SandboxOptions
from ml_connector_dagster.sandbox.services import SERVICES, how_to_install, installed_services


TENANT = "ACME_TST"

#: Where flows/sandbox.yaml looks for the sandbox.
PORT: Final = 8700

#: What the gateway allows; flows/sandbox.yaml asks for no more.
REQUESTS_PER_MINUTE = 600

#: The kind of the credentials that are made up here, and may therefore be replaced.
_MADE_UP: Final = "sandbox"


def sandbox(
    port: Annotated[int, typer.Option(help="Port on loopback; 0 picks a free one.")] = PORT,
    size: Annotated[str, typer.Option(help="default or tiny.")] = "default",
    seed: Annotated[int, typer.Option(help="The same seed and day give the same ERP.")] = 1,
    credential: Annotated[
        str, typer.Option(help="Store the tenant's .ionapi under this name; '' stores no login.")
    ] = "acme",
    ionapi: Annotated[Path | None, typer.Option(help="Also write the .ionapi file here.")] = None,
) -> None:
    """Serve the sandbox until Ctrl-C: the ION gateway over a seeded ERP, and the systems it is delivered to."""
    if port and not port_is_free(port):
        raise ConfigError(
            f"port {port} is taken, perhaps by another sandbox; end that one, or give --port another, or 0 for any"
        )
    with Sandbox.start(sandbox_options(size, seed), port=port) as running:
        if credential:
            settings = read_settings()
            claim(settings)
            store_logins(settings, running, credential)
        if ionapi is not None:
            ionapi.touch(mode=0o600)
            ionapi.write_text(running.ionapi_text(TENANT))
        stdout.print(f"Sandbox of tenant [bold]{TENANT}[/] at {running.url}  (Ctrl-C ends it)")
        say_what_is_served(running)
        running.wait()


def store_logins(settings: Settings, sandbox: Sandbox, tenant: str) -> None:
    """Store the sandbox's .ionapi as ``tenant``, and the login of each other system under that system's name.

    Raises ConfigError rather than overwrite the credential of anything but a sandbox.
    """
    store_ionapi(settings, tenant, sandbox.ionapi_text(TENANT))
    store = open_store(settings)
    held = {info.name: info.kind for info in store.list()}
    for name, service in sandbox.services.items():
        if held.get(name, _MADE_UP) != _MADE_UP:
            raise ConfigError(_occupied(name))
        store.add(name, _MADE_UP, {key: Secret(value) for key, value in service.login.items()})


def store_ionapi(settings: Settings, name: str, text: str) -> None:
    """Store the sandbox's .ionapi. Raises ConfigError rather than overwrite that of another tenant."""
    store = open_store(settings)
    if any(info.name == name for info in store.list()):
        held = store.get(name).values.get("ionapi")
        if held is None or json.loads(held.reveal()).get("ti") != json.loads(text)["ti"]:
            raise ConfigError(_occupied(name))
    store.add(name, "ionapi", {"ionapi": Secret(text)})


def _occupied(name: str) -> str:
    return (
        f"credential {name!r} is of another system than the sandbox and is left alone: give "
        "--credential ANOTHER_NAME, or ML_CONNECTOR_HOME=FOLDER for a home of its own"
    )


def say_what_is_served(sandbox: Sandbox) -> None:
    """Name the systems beside the ERP, and how to get those that are not installed."""
    if sandbox.services:
        stdout.print(f"Also served there: {', '.join(sandbox.services)}")
    for name, offer in SERVICES.items():
        if offer.missing:
            stdout.print(
                f"[yellow]Not served: {name}[/], which needs {', '.join(offer.missing)}: "
                f"{how_to_install(name)}".replace("dagster[", r"dagster\[")
            )


def sandbox_options(size: str, seed: int = 1) -> SandboxOptions:
    """The options of a sandbox that people look at."""
    if size not in ("default", "tiny"):
        raise typer.BadParameter(f"{size!r} is neither 'default' nor 'tiny'", param_hint="--size")
    return SandboxOptions(
        seed=seed,
        size=ErpSize() if size == "default" else ErpSize.tiny(),
        requests_per_minute=REQUESTS_PER_MINUTE,
        home=read_settings().home,
        services=installed_services(),
    )
