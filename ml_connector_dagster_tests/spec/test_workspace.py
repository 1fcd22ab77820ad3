"""An installation that cannot be put together leaves nothing open behind it."""

from pathlib import Path

import pytest

from ml_connector_dagster.config.project import Project
from ml_connector_dagster.config.settings import read_settings
from ml_connector_dagster.model.errors import CredentialError
from ml_connector_dagster.sync.workspace import Workspace


def test_without_the_credential_of_staging_no_ledger_is_opened(tmp_path: Path) -> None:
    settings = read_settings(
        {
            "ML_CONNECTOR_HOME": str(tmp_path / "home"),
            "ML_CONNECTOR_STAGING_URL": "s3://bucket/prefix",
            "ML_CONNECTOR_STAGING_CREDENTIAL": "nobody",
        }
    )
    with pytest.raises(CredentialError, match="nobody"):
        Workspace.open(settings, project=Project())
    assert not (settings.home / "ledger.db").exists()
