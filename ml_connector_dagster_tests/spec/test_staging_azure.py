"""Staging on Azure keeps the contract of staging, on Microsoft's own emulator: Azurite (``npm install -g azurite``).

It knows the Blob protocol with shared keys; what it cannot show are roles, managed identities and hierarchical namespaces.
"""

import base64
import hashlib
import hmac
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from ml_connector_dagster.credentials import Credential
from ml_connector_dagster.model.errors import ConfigError, CredentialError
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.staging import Staging, clouds
from ml_connector_dagster_tests.contracts.staging import StagingContract
from ml_connector_dagster_tests.spec.staging_places import nothing
from ml_connector_dagster_tests.spec.staging_samples import many, stage


#: The emulator's account and key are the same everywhere, and published.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
CONTAINER = "erp"


@dataclass(frozen=True, slots=True)
class AzurePlace:
    """A prefix of a container of the emulator."""

    endpoint: str
    prefix: str
    container: str = CONTAINER
    rivals: int = 8

    @property
    def url(self) -> str:
        host = f"{self.container}@{ACCOUNT}.dfs.core.windows.net"
        return f"abfss://{host}/{self.prefix}?endpoint={self.endpoint}"

    def staging(self, step: Callable[[str], None] = nothing, key: str = KEY) -> Staging:
        values = {"account_key": Secret(key)}
        credential = Credential(name="lake", kind="abfss", values=values)
        return Staging(self.url, credential=credential, step=step)

    def paths(self) -> set[str]:
        return {one["path"] for page in self._client.list(chunk_size=1000) for one in page}

    def remove(self, path: str) -> None:
        self._client.delete([path])

    def cut(self, path: str) -> None:
        content = bytes(self._client.get(path).bytes())
        self._client.put(path, content[:-10])

    def age(self, folder: str, moment: datetime) -> None:
        pytest.skip("the emulator sets the time of a change itself")

    @property
    def _client(self) -> Any:
        from obstore.store import AzureStore

        return AzureStore(
            self.container,
            prefix=self.prefix,
            config={"account_name": ACCOUNT, "account_key": KEY, "endpoint": self.endpoint},
            client_options={"allow_http": True},
        )


def make_container(endpoint: str, name: str) -> None:
    """Create Container, signed with the account's key."""
    headers = {
        "x-ms-date": format_datetime(datetime.now(UTC), usegmt=True),
        "x-ms-version": "2021-12-02",
    }
    named = "".join(f"{name}:{value}\n" for name, value in sorted(headers.items()))
    text = f"PUT{chr(10) * 12}{named}/{ACCOUNT}/{ACCOUNT}/{name}\nrestype:container"
    digest = hmac.new(base64.b64decode(KEY), text.encode(), hashlib.sha256).digest()
    headers["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}"
    url = f"{endpoint}/{name}?restype=container"
    httpx.put(url, headers=headers, content=b"").raise_for_status()


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    program = shutil.which("azurite-blob")
    if program is None:
        pytest.skip("Azurite is not installed: npm install -g azurite")
    options = ["--inMemoryPersistence", "--blobHost", "127.0.0.1", "--blobPort", "0"]
    with subprocess.Popen([program, *options], stdout=subprocess.PIPE, text=True) as azurite:
        assert azurite.stdout is not None
        found = next(
            match for line in azurite.stdout if (match := re.search(r"listens on (\S+)", line))
        )
        url = f"{found[1]}/{ACCOUNT}"
        make_container(url, CONTAINER)
        yield url
        azurite.terminate()


@pytest.fixture
def place(endpoint: str, tmp_path: Path) -> AzurePlace:
    return AzurePlace(endpoint, tmp_path.name)


class TestAzure(StagingContract):
    """Signed requests over HTTP."""


def test_a_container_that_is_not_there(place: AzurePlace) -> None:
    other = AzurePlace(place.endpoint, "staged", container="missing")
    with pytest.raises(ConfigError, match=r"there is no container 'missing' \(ContainerNotFound\)"):
        stage(other.staging(), many(3))


def test_a_key_that_is_not_accepted(place: AzurePlace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clouds, "TRIES", 1)
    wrong = base64.b64encode(b"wrong" * 10).decode()
    with pytest.raises(CredentialError, match=r"not accepted|access is denied") as raised:
        stage(place.staging(key=wrong), many(3))
    assert wrong not in str(raised.value)
