"""What a command says to wrong input on a first day: the thing, the value and the next step; never a traceback."""

import json
import re
import sys
from pathlib import Path

import pytest

from ml_connector_dagster.cli import main
from ml_connector_dagster.cli.output import stderr, stdout
from ml_connector_dagster.config.alerts import AlertChannel
from ml_connector_dagster.config.intakes import DocumentIntake
from ml_connector_dagster.config.looker import LookerConnection
from ml_connector_dagster.config.project import CONNECTION_TYPES
from ml_connector_dagster.config.settings import make_home, read_settings
from ml_connector_dagster.destinations.forecasts import WAYS
from ml_connector_dagster.destinations.registry import WAREHOUSES
from ml_connector_dagster.model.errors import ConfigError


FILE = """\
connections:
  acme: {type: cloudsuite, product_line: m3, credential: acme, timezone: Europe/Stockholm}
  boards: {type: monday, credential: boards}
  snow: {type: snowflake, account: A, user: U, role: R, warehouse: W, database: D, credential: snow}
  warehouse: {type: duckdb, path: warehouse.duckdb}
flows:
  erp:
    source: acme
    companies: ["100"]
    entities: [suppliers]
    start_date: 2025-11-01
    destinations: [{connection: warehouse}, {connection: snow}, {connection: boards}]
"""

#: What is typed → what stands in the answer.
SAID = [
    ("run erp", "no credential 'acme' in HOME/credentials.json; add it with: ml-connector credentials add acme --ionapi FILE"),
    ("setup boards", "no credential 'boards' in HOME/credentials.json; add it with: ml-connector credentials add boards --kind monday --field token"),
    ("deliver erp --destination snow", "- snow.erp, suppliers: there is no credential 'snow' in HOME/credentials.json; add it with: ml-connector credentials add snow --kind snowflake --field private_key"),
    ("run epr", "no flow 'epr'; configured are erp"),
    ("run erp --entity supliers", "flow 'erp' has no entity 'supliers'; it has suppliers"),
    ("replay erp --entity supliers", "flow 'erp' has no entity 'supliers'; it has suppliers"),
    ("replay erp --company 300", "flow 'erp' has no company '300'; it has 100"),
    ("replay erp --destination crm", "flow 'erp' has no destination 'crm'; it has warehouse.erp, snow.erp, boards"),
    ("replay erp --id 12", "Nothing that is open is chosen by this."),
    ("setup crm", "'crm' is not a connection to an application; configured are boards"),
    ("setup warehouse", "'warehouse' is not a connection to an application; configured are boards"),
    ("bods take warehouse", "'warehouse' is not a cloudsuite connection; configured are acme"),
    ("credentials remove acme --yes", "there is no credential 'acme' in HOME/credentials.json; there are none"),
    ("reconcile erp --report nowhere/r.html", "--report nowhere/r.html: there is no folder nowhere"),
    ("plan erp --days 2026-03-01..2026-01-01", "--days '2026-03-01..2026-01-01' ends before it begins"),
    ("runn", "No such command 'runn'. Did you mean 'run'?"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "flows.yaml").write_text(FILE, encoding="utf-8")
    monkeypatch.setenv("ML_CONNECTOR_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ML_CONNECTOR_FLOWS", str(tmp_path / "flows.yaml"))
    for console in (stdout, stderr):  # made once, in whichever test came first
        monkeypatch.setattr(console, "width", 400)
    monkeypatch.chdir(tmp_path)


def typed(command: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit code of a command line."""
    monkeypatch.setattr(sys, "argv", ["ml-connector", *command.split()])
    with pytest.raises(SystemExit) as left:
        main()
    return int(left.value.code or 0)


@pytest.mark.parametrize(("command", "said"), SAID)
def test_wrong_input_is_told_with_the_next_step(
    command: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = typed(command, monkeypatch)
    spoken = capsys.readouterr()
    words = re.sub(r"\s+", " ", spoken.out + spoken.err)
    assert said.replace("HOME", str(tmp_path / "home")) in words
    assert words.count(said.partition(" '")[0]) == 1, "told once"
    assert (code == 0) == said.startswith("Nothing")


def test_an_ionapi_file_is_looked_at_before_it_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cut.ionapi").write_text(json.dumps({"ti": "ACME_TST", "cs": "hunter2-secret"}))
    assert typed("credentials add acme --ionapi cut.ionapi", monkeypatch) == 1
    spoken = capsys.readouterr()
    assert "ot (token path) is missing" in spoken.err
    assert "hunter2" not in spoken.err
    assert not (tmp_path / "home" / "credentials.json").exists()


def test_a_folder_that_cannot_be_used_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", "/srv/ml-connector/ledger.db")

    monkeypatch.setattr("ml_connector_dagster.cli.trace.Workspace.open", refused)
    assert typed("trace acme/100/10001", monkeypatch) == 1
    assert "cannot use /srv/ml-connector/ledger.db: Permission denied" in capsys.readouterr().err


def test_a_home_is_made_for_its_owner_only(tmp_path: Path) -> None:
    settings = read_settings({"ML_CONNECTOR_HOME": str(tmp_path / "deep" / "home")})
    make_home(settings)
    assert settings.home.stat().st_mode & 0o777 == 0o700


def test_a_home_that_cannot_be_made_says_where_else(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"cannot make the folder .*set ML_CONNECTOR_HOME"):
        make_home(read_settings({"ML_CONNECTOR_HOME": str(tmp_path / "file" / "home")}))


def test_whatever_can_be_opened_as_a_warehouse_can_be_planned() -> None:
    assert {*WAREHOUSES, LookerConnection} == set(WAYS)


def test_every_credential_that_yaml_names_says_how_it_is_stored() -> None:
    models = [*CONNECTION_TYPES.values(), AlertChannel, DocumentIntake]
    assert [
        model.__name__
        for model in models
        if "credential" in model.model_fields and not getattr(model, "stored_by", "")
    ] == []
