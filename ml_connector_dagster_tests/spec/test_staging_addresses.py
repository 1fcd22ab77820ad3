"""``ML_CONNECTOR_STAGING_URL`` is taken apart; what is wrong in it is told, what may be a secret is not."""

import sys
from pathlib import Path

import pytest

from ml_connector_dagster.config.staging import StagingKind, StagingPlace, staging_place
from ml_connector_dagster.model.errors import ConfigError, MissingDriverError
from ml_connector_dagster.staging import Staging


@pytest.mark.parametrize(
    ("url", "place", "address"),
    [
        ("/srv/x", {"kind": "file", "prefix": "/srv/x"}, "/srv/x"),
        ("file:///srv/x", {"kind": "file", "prefix": "/srv/x"}, "/srv/x"),
        ("s3://erp", {"kind": "s3", "bucket": "erp", "prefix": ""}, "s3://erp"),
        ("S3://erp/a/b/", {"kind": "s3", "bucket": "erp", "prefix": "a/b"}, "s3://erp/a/b"),
        ("s3://erp/a?region=eu-north-1&endpoint=https://s3.acme.example/", {"kind": "s3", "bucket": "erp", "prefix": "a", "region": "eu-north-1", "endpoint": "https://s3.acme.example"}, "s3://erp/a"),
        ("abfss://erp@acme.dfs.core.windows.net/a", {"kind": "abfss", "bucket": "erp", "account": "acme", "prefix": "a"}, "abfss://erp@acme.dfs.core.windows.net/a"),
        ("gs://erp/a%20b", {"kind": "gs", "bucket": "erp", "prefix": "a b"}, "gs://erp/a b"),
    ],
)  # fmt: skip
def test_an_address_is_taken_apart(url: str, place: dict[str, str], address: str) -> None:
    found = staging_place(url)
    kind = StagingKind(place["kind"])
    assert found == StagingPlace(**{**place, "kind": kind})  # type: ignore[arg-type]
    assert found.address == address


def test_a_folder_is_below_where_the_command_was_typed() -> None:
    assert staging_place("staged").address == str(Path.cwd() / "staged")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://host/x", "'ftp' is no place for batches; give a folder, s3://"),
        ("abfs://erp@acme.dfs.core.windows.net", "'abfs' is no place"),
        ("s3:///x", "names no bucket; write s3://bucket/prefix"),
        ("s3://erp?regoin=x", "s3 has no option 'regoin'; did you mean 'region'"),
        ("gs://erp?region=x", "gs has no option 'region'; there are endpoint"),
        ("s3://AKIA:hunter2@erp/x", "holds a user or a password"),
        ("s3://erp/a/../b", "has an empty part, or one of dots"),
        ("s3://erp/a//b", "has an empty part, or one of dots"),
        ("s3://erp?endpoint=s3.acme.example", "endpoint is the address of the service"),
        ("s3://erp?endpoint=https://me:hunter2@s3.acme.example", "endpoint is the address"),
        ("abfss://erp/x", "an abfss address is abfss://container@account.dfs"),
        ("abfss://erp:hunter2@acme.dfs.core.windows.net", "an abfss address is"),
        ("abfss://erp@acme.dfs.core.windows.net?sig=hunter2", "abfss has no option 'sig'"),
    ],
)
def test_a_wrong_address_says_what_would_be_right(url: str, message: str) -> None:
    with pytest.raises(ConfigError, match=r"ML_CONNECTOR_STAGING_URL") as raised:
        staging_place(url)
    assert message in str(raised.value)
    assert "hunter2" not in str(raised.value)


def test_without_the_package_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(MissingDriverError, match=r"ml-connector-dagster\[object-storage\]"):
        Staging("s3://erp")


def test_a_folder_needs_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    assert Staging(str(tmp_path)).orphans([]) == ()
