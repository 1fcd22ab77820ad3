"""The credential store: what goes in comes out, nothing of it is readable in between, and it is never half written."""

import json
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from ml_connector_dagster.config.settings import Settings, read_settings
from ml_connector_dagster.credentials import (
    Credential,
    CredentialInfo,
    CredentialStore,
    KeyRing,
    open_store,
)
from ml_connector_dagster.credentials.keys import new_key
from ml_connector_dagster.model.errors import CredentialError
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster_tests.spec.crashing_files import crash_at


IONAPI = '{"ti": "ACME_TST", "cs": "client-secret-1",\n "saak": "ACME_TST#k", "sask": "service-secret-1"}'


def installation(folder: Path, *keys: Secret) -> Settings:
    given = ",".join(key.reveal() for key in keys)
    return read_settings({"ML_CONNECTOR_HOME": str(folder), "ML_CONNECTOR_KEY": given})


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_an_ionapi_file_comes_out_as_it_went_in(tmp_path: Path) -> None:
    open_store(installation(tmp_path)).add("acme", "ionapi", {"ionapi": Secret(IONAPI)})
    assert open_store(installation(tmp_path)).get("acme") == Credential(
        name="acme", kind="ionapi", values={"ionapi": Secret(IONAPI)}
    )


@examples(
    deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8"), min_size=1, max_size=20),
        st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip).map(Secret),
        min_size=1,
        max_size=4,
    )
)
def test_any_values_come_out_as_they_went_in(tmp_path: Path, values: dict[str, Secret]) -> None:
    store = open_store(installation(tmp_path))
    store.add("any", "snowflake", values)
    assert store.get("any").values == values


def test_the_list_shows_names_kinds_and_fields_and_needs_no_key(tmp_path: Path) -> None:
    keys = KeyRing([new_key()], source="a test")
    store = CredentialStore(
        tmp_path / "c.json", keys, now=lambda: datetime(2025, 11, 1, 12, tzinfo=UTC)
    )
    store.add("sf", "snowflake", {"user": Secret("me-me-me"), "key": Secret("pem-pem-pem")})
    store.add("acme", "ionapi", {"ionapi": Secret(IONAPI)})
    other = CredentialStore(tmp_path / "c.json", KeyRing([new_key()], source="a test"))
    added_at = datetime(2025, 11, 1, 12, tzinfo=UTC)
    assert other.list() == (
        CredentialInfo(name="acme", kind="ionapi", fields=("ionapi",), added_at=added_at),
        CredentialInfo(name="sf", kind="snowflake", fields=("key", "user"), added_at=added_at),
    )


def test_the_file_holds_no_value_and_is_for_its_owner_only(tmp_path: Path) -> None:
    home = tmp_path / "home"
    open_store(installation(home)).add("acme", "ionapi", {"ionapi": Secret(IONAPI)})
    text = (home / "credentials.json").read_text()
    assert not [one for one in ("client-secret-1", "service-secret-1", "ACME_TST") if one in text]
    assert {path.name: oct(mode(path)) for path in home.iterdir()} == {
        "credentials.json": "0o600",
        "credentials.lock": "0o600",
        "encryption.key": "0o600",
    }
    assert oct(mode(home)) == "0o700"


def test_adding_again_replaces_and_removing_forgets(tmp_path: Path) -> None:
    store = open_store(installation(tmp_path))
    store.add("a", "x", {"one": Secret("first-value")})
    store.add("a", "y", {"two": Secret("second-value")})
    assert store.get("a") == Credential(name="a", kind="y", values={"two": Secret("second-value")})
    store.remove("a")
    assert store.list() == ()


REFUSED = [
    ("../x", "k", {"f": "v"}, "'../x' cannot be a credential's name: letters, digits, _ . - and at most 100 of them"),
    ("a", "k", {}, "credential 'a' needs a kind and at least one value"),
    ("a", "k", {"f": " "}, "credential 'a': the value of f is blank"),
    ("a", "k", {"f": "hunter2\ud800"}, "credential 'a': a value is not valid text"),
    ("a", "ionapi", {"f": "{}"}, "credential 'a' of kind 'ionapi' has one field, 'ionapi': the text of the .ionapi file"),
    ("a", "ionapi", {"ionapi": "hunter2"}, "credential 'a': this is not an .ionapi file (not a JSON object); give the file as it was downloaded from ION API, Authorized Apps"),
    ("a", "ionapi", {"ionapi": "[" * 100_000}, "credential 'a': this is not an .ionapi file (not a JSON object); give the file as it was downloaded from ION API, Authorized Apps"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "kind", "values", "said"), REFUSED)
def test_what_cannot_be_stored_is_refused_and_nothing_is_written(
    name: str, kind: str, values: dict[str, str], said: str, tmp_path: Path
) -> None:
    store = open_store(installation(tmp_path))
    with pytest.raises(CredentialError) as refused:
        store.add(name, kind, {field: Secret(value) for field, value in values.items()})
    assert str(refused.value) == said
    assert not (tmp_path / "credentials.json").exists()


def test_an_unknown_name_or_field_says_what_to_do(tmp_path: Path) -> None:
    store = open_store(installation(tmp_path))
    store.add("acme", "snowflake", {"user": Secret("hunter2")})
    with pytest.raises(CredentialError) as refused:
        store.get("acmee")
    assert str(refused.value) == (
        f"there is no credential 'acmee' in {tmp_path}/credentials.json; did you mean 'acme'? "
        "Or add it with: ml-connector credentials add acmee"
    )
    with pytest.raises(CredentialError) as refused:
        store.get("acme").value("password")
    assert str(refused.value) == (
        "credential 'acme' (snowflake) has no field 'password', only user; "
        "add it again with: ml-connector credentials add acme"
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is damaged: restore it from a backup, or remove it and add the credentials again"),
        ('{"format": 1, "cred', "is damaged: restore it from a backup, or remove it and add the credentials again"),
        ("[]", "is damaged: restore it from a backup, or remove it and add the credentials again"),
        ('{"format": 1, "credentials": {"a": 5}}', "is damaged: restore it from a backup, or remove it and add the credentials again"),
        ('{"format": 9, "credentials": {}}', "has format 9, this version reads 1; use the version of ml-connector that wrote it"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_named(content: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "credentials.json"
    file.write_text(content)
    store = CredentialStore(file, KeyRing([new_key()], source="a test"))
    with pytest.raises(CredentialError) as refused:
        store.list()
    assert str(refused.value) == f"{file} {said}"


def test_a_damaged_value_is_named_and_the_others_stay_readable(tmp_path: Path) -> None:
    store = open_store(installation(tmp_path))
    store.add("good", "k", {"f": Secret("good-value")})
    store.add("bad", "k", {"f": Secret("bad-value")})
    file = tmp_path / "credentials.json"
    document = json.loads(file.read_text())
    document["credentials"]["bad"]["fields"]["f"] = "gAAAAA=="
    file.write_text(json.dumps(document))
    assert store.get("good").value("f") == Secret("good-value")
    with pytest.raises(CredentialError, match=r"credential 'bad' in .* cannot be read: wrong key"):
        store.get("bad")
    store.add("bad", "k", {"f": Secret("new-value")})
    assert store.get("bad").value("f") == Secret("new-value")


def test_a_store_of_another_key_is_not_mixed_with_ours(tmp_path: Path) -> None:
    open_store(installation(tmp_path, new_key())).add("a", "k", {"f": Secret("hunter2")})
    before = (tmp_path / "credentials.json").read_bytes()
    with pytest.raises(CredentialError, match=r"credential 'a' in .* cannot be read: wrong key"):
        open_store(installation(tmp_path, new_key())).add("b", "k", {"f": Secret("hunter3")})
    assert (tmp_path / "credentials.json").read_bytes() == before


def test_values_that_were_read_never_show(tmp_path: Path) -> None:
    store = open_store(installation(tmp_path))
    store.add("a", "k", {"f": Secret("hunter2-hunter2")})
    credential = store.get("a")
    assert "hunter2" not in f"{credential!r} {credential} {credential.values}"


@pytest.mark.parametrize("crash_in", ["open", "fsync", "replace"])
def test_a_crash_while_writing_leaves_the_old_store(
    crash_in: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(installation(tmp_path))
    store.add("a", "k", {"f": Secret("old-value")})

    with monkeypatch.context() as broken:
        crash_at(broken, crash_in, 1)
        with pytest.raises(KeyboardInterrupt):
            store.add("a", "k", {"f": Secret("new-value")})
    assert store.get("a").value("f") == Secret("old-value")
    store.add("a", "k", {"f": Secret("new-value")})
    assert store.get("a").value("f") == Secret("new-value")


def test_threads_that_add_at_once_lose_nothing(tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(12)]
    with ThreadPoolExecutor(6) as pool:
        for _ in pool.map(
            lambda name: open_store(installation(tmp_path)).add(name, "k", {"f": Secret(name * 9)}),
            names,
        ):
            pass
    store = open_store(installation(tmp_path))
    assert {name: store.get(name).value("f").reveal() for name in names} == {
        name: name * 9 for name in names
    }


ADD_IN_A_PROCESS = """
import sys
from ml_connector_dagster.config.settings import read_settings
from ml_connector_dagster.credentials import open_store
from ml_connector_dagster.model.secrets import Secret
open_store(read_settings()).add(sys.argv[1], "k", {"f": Secret(sys.argv[1] * 9)})
"""


def test_processes_that_make_the_first_key_at_once_share_it(tmp_path: Path) -> None:
    environ = {**os.environ, "ML_CONNECTOR_HOME": str(tmp_path), "ML_CONNECTOR_KEY": ""}
    running = [
        subprocess.Popen([sys.executable, "-c", ADD_IN_A_PROCESS, name], env=environ)
        for name in ("one", "two", "three")
    ]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    store = open_store(installation(tmp_path))
    assert [store.get(name).value("f").reveal() for name in ("one", "two", "three")] == [
        "one" * 9,
        "two" * 9,
        "three" * 9,
    ]
