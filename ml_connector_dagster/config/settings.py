"""Where things live on this machine, from environment variables. Nothing else reads the environment.

What is read and where it goes stands in the YAML files (``project.py``); this is only about the installation.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ml_connector_dagster.model.errors import ConfigError
from ml_connector_dagster.model.secrets import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One installation.

    Attributes:
        home: folder of everything that is written here (``ML_CONNECTOR_HOME``, default ``./.ml_connector``).
        flows: YAML file, or folder of YAML files (``ML_CONNECTOR_FLOWS``; default ``./flows/sandbox.yaml``
            when it exists, else ``./flows``).
        ledger_url: SQLAlchemy URL (``ML_CONNECTOR_LEDGER_URL``, default SQLite in ``home``); not shown by
            ``repr``, since a PostgreSQL URL may hold a password.
        staging_url: folder or URL of the staged batches (``ML_CONNECTOR_STAGING_URL``, default in ``home``).
        staging_credential: the stored credential that object storage is opened with
            (``ML_CONNECTOR_STAGING_CREDENTIAL``); "" leaves it to the cloud's own identity.
        encryption_keys: newest first (``ML_CONNECTOR_KEY``, comma separated); empty means ``key_file``.
        key_file: used when there are no ``encryption_keys``; made on first use.
        telemetry: "otlp" sends traces and metrics to the collector that the OTEL variables name
            (``ML_CONNECTOR_TELEMETRY``, default off; extra "telemetry").
        json_logs: "json" writes what is logged to stderr as lines of JSON (``ML_CONNECTOR_LOGS``, default off).
    """

    home: Path
    flows: Path
    ledger_url: str = field(repr=False)
    staging_url: str
    encryption_keys: tuple[Secret, ...]
    key_file: Path
    staging_credential: str = ""
    telemetry: bool = False
    json_logs: bool = False

    @property
    def credentials_file(self) -> Path:
        """The encrypted credential store."""
        return self.home / "credentials.json"


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of ``environ``, or of this process when None. A blank variable counts as not set."""
    given = {
        name: value.strip() for name, value in (os.environ if environ is None else environ).items()
    }
    home = Path(given.get("ML_CONNECTOR_HOME") or ".ml_connector").expanduser().absolute()
    flows = given.get("ML_CONNECTOR_FLOWS")
    keys = given.get("ML_CONNECTOR_KEY", "").split(",")
    return Settings(
        home=home,
        flows=Path(flows).expanduser() if flows else _default_flows(),
        ledger_url=given.get("ML_CONNECTOR_LEDGER_URL") or f"sqlite:///{home / 'ledger.db'}",
        staging_url=given.get("ML_CONNECTOR_STAGING_URL") or str(home / "staging"),
        encryption_keys=tuple(Secret(key.strip()) for key in keys if key.strip()),
        key_file=home / "encryption.key",
        staging_credential=given.get("ML_CONNECTOR_STAGING_CREDENTIAL", ""),
        telemetry=_switched_on(given, "ML_CONNECTOR_TELEMETRY", "otlp"),
        json_logs=_switched_on(given, "ML_CONNECTOR_LOGS", "json"),
    )


def make_home(settings: Settings) -> None:
    """Make the home when it is not there, for its owner only: it holds records and keys. Raises ConfigError."""
    if settings.home.is_dir():
        return
    try:
        settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"cannot make the folder {settings.home}: {error.strerror}; set ML_CONNECTOR_HOME to a folder that can be "
            "written"
        ) from error


def _switched_on(given: Mapping[str, str], name: str, word: str) -> bool:
    """Whether a variable says ``word``, in any case; blank is off. Raises ConfigError for anything else."""
    value = given.get(name, "")
    if value.lower() not in ("", word):
        raise ConfigError(f"{name} is {value!r}; write {word}, or leave it out")
    return bool(value)


def _default_flows() -> Path:
    sandbox = Path("flows") / "sandbox.yaml"
    return sandbox if sandbox.is_file() else Path("flows")
