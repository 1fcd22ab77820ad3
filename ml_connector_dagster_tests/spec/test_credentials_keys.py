"""Encryption keys: where they come from, what a wrong one is told, and rotation while work goes on."""

import stat
from pathlib import Path

import pytest

from ml_connector_dagster.config.settings import Settings, read_settings
from ml_connector_dagster.credentials import CredentialStore, KeyRing, open_store, rotate_keys
from ml_connector_dagster.credentials.keys import new_key
from ml_connector_dagster.model.errors import CredentialError
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster_tests.spec.crashing_files import crash_at


MAKE_ONE = (
    'python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
)


def installation(folder: Path, *keys: str) -> Settings:
    return read_settings({"ML_CONNECTOR_HOME": str(folder), "ML_CONNECTOR_KEY": ",".join(keys)})


def keys_in(settings: Settings) -> list[str]:
    lines = settings.key_file.read_text().splitlines()
    return [line for line in lines if not line.startswith("#")]


def test_a_key_file_is_made_on_first_use_for_its_owner_only(tmp_path: Path) -> None:
    settings = installation(tmp_path / "home")
    first, second = KeyRing.from_settings(settings), KeyRing.from_settings(settings)
    assert second.decrypt(first.encrypt(b"text")) == b"text"
    assert oct(stat.S_IMODE(settings.key_file.stat().st_mode)) == "0o600"
    assert len(keys_in(settings)) == 1


def test_a_key_in_the_environment_goes_before_the_file_and_makes_none(tmp_path: Path) -> None:
    settings = installation(tmp_path, new_key().reveal())
    KeyRing.from_settings(settings).encrypt(b"text")
    assert not settings.key_file.exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620])
def test_a_key_file_that_others_can_open_is_refused_with_the_command_that_closes_it(
    mode: int, tmp_path: Path
) -> None:
    settings = installation(tmp_path)
    KeyRing.from_settings(settings)
    settings.key_file.chmod(mode)
    with pytest.raises(CredentialError) as refused:
        KeyRing.from_settings(settings)
    assert str(refused.value) == (
        f"{settings.key_file} can be read or changed by other users (mode {mode:04o}). "
        f"Close it with: chmod 600 {settings.key_file}"
    )


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (["hunter2"], "key 1 of 1 in the environment variable ML_CONNECTOR_KEY is malformed: expected 44 characters of URL-safe base64 (32 bytes), got 7 characters."),
        ([new_key().reveal(), "h" * 44], "key 2 of 2 in the environment variable ML_CONNECTOR_KEY is malformed: expected 44 characters of URL-safe base64 (32 bytes), got 44 characters."),
        ([new_key().reveal(), "hunter2é"], "key 2 of 2 in the environment variable ML_CONNECTOR_KEY is malformed: expected 44 characters of URL-safe base64 (32 bytes), got 8 characters."),
    ],
)  # fmt: skip
def test_a_malformed_key_is_told_without_showing_it(
    keys: list[str], said: str, tmp_path: Path
) -> None:
    with pytest.raises(CredentialError) as refused:
        KeyRing.from_settings(installation(tmp_path, *keys))
    assert str(refused.value) == f"{said} Make one with: {MAKE_ONE}"
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", f"the key file {{}} holds no key. Make one with: {MAKE_ONE}"),
        (b"# only words\n", f"the key file {{}} holds no key. Make one with: {MAKE_ONE}"),
        (b"\xff\xfe\x00", "the key file {} is not a key file (it holds more than plain letters); put the right one back"),
        (b"short\n", f"key 1 of 1 in the key file {{}} is malformed: expected 44 characters of URL-safe base64 (32 bytes), got 5 characters. Make one with: {MAKE_ONE}"),
    ],
)  # fmt: skip
def test_a_damaged_key_file_is_named(content: bytes, said: str, tmp_path: Path) -> None:
    settings = installation(tmp_path)
    settings.key_file.touch(0o600)
    settings.key_file.write_bytes(content)
    with pytest.raises(CredentialError) as refused:
        KeyRing.from_settings(settings)
    assert str(refused.value) == said.format(settings.key_file)


def test_a_wrong_key_says_so_and_where_it_came_from(tmp_path: Path) -> None:
    open_store(installation(tmp_path, new_key().reveal())).add("a", "k", {"f": Secret("hunter2")})
    wrong = new_key().reveal()
    with pytest.raises(CredentialError) as refused:
        open_store(installation(tmp_path, wrong)).get("a")
    assert str(refused.value) == (
        f"credential 'a' in {tmp_path}/credentials.json cannot be read: wrong key: the key does not fit what was "
        "encrypted (or that was damaged); looked in the environment variable ML_CONNECTOR_KEY. Put back the key "
        "under which it was stored, or remove it (ml-connector credentials remove a) and add it again"
    )


def test_a_lost_key_file_is_not_quietly_replaced(tmp_path: Path) -> None:
    settings = installation(tmp_path)
    open_store(settings).add("a", "k", {"f": Secret("hunter2")})
    settings.key_file.unlink()
    with pytest.raises(CredentialError) as refused:
        open_store(settings)
    assert str(refused.value) == (
        f"the key file {settings.key_file} is gone, and {settings.credentials_file} was encrypted with it. "
        "Put the key file back, or remove the credentials file and add the credentials again"
    )


def test_a_ring_shows_where_its_keys_are_from_and_no_key() -> None:
    key = new_key()
    assert repr(KeyRing([key], source="a test")) == "KeyRing(1 key(s) of a test)"


@pytest.fixture
def filled(tmp_path: Path) -> Settings:
    """An installation with a key file and two credentials."""
    settings = installation(tmp_path)
    for name in ("a", "b"):
        open_store(settings).add(name, "k", {"f": Secret(f"value-of-{name}")})
    return settings


def readable(store: CredentialStore) -> bool:
    return all(store.get(name).value("f") == Secret(f"value-of-{name}") for name in ("a", "b"))


def test_rotation_puts_everything_under_a_new_key_and_keeps_the_one_before(
    filled: Settings,
) -> None:
    (first,) = keys_in(filled)
    assert rotate_keys(filled) == 2
    second, before = keys_in(filled)
    assert before == first
    assert second != first
    alone = CredentialStore(filled.credentials_file, KeyRing([Secret(second)], source="a test"))
    assert readable(alone)


def test_rotating_twice_drops_the_first_key(filled: Settings) -> None:
    (first,) = keys_in(filled)
    rotate_keys(filled)
    rotate_keys(filled)
    assert len(keys_in(filled)) == 2
    assert first not in keys_in(filled)
    assert readable(open_store(filled))


def test_a_store_that_is_open_during_rotations_goes_on_reading_and_writes_with_the_new_key(
    filled: Settings,
) -> None:
    running = open_store(filled)
    assert readable(running)
    for _ in range(3):
        rotate_keys(filled)
        assert readable(running)
    running.add("a", "k", {"f": Secret("value-of-a")})
    newest = CredentialStore(
        filled.credentials_file, KeyRing([Secret(keys_in(filled)[0])], source="a test")
    )
    assert readable(newest)


#: A rotation writes three files (keys, store, keys), and each write opens, syncs and renames a file, then syncs its folder.
CRASHES = [
    *(("open", number) for number in range(1, 7)),
    *(("fsync", number) for number in range(1, 7)),
    *(("replace", number) for number in range(1, 4)),
]


@pytest.mark.parametrize(("call", "number"), CRASHES)
def test_a_crash_at_any_step_of_a_rotation_leaves_a_readable_store(
    call: str, number: int, filled: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        crash_at(broken, call, number)
        with pytest.raises(KeyboardInterrupt):
            rotate_keys(filled)
    assert readable(open_store(filled))
    rotate_keys(filled)
    assert readable(open_store(filled))
    assert len(keys_in(filled)) == 2


def test_keys_of_the_environment_rotate_without_downtime(tmp_path: Path) -> None:
    old, new = new_key().reveal(), new_key().reveal()
    open_store(installation(tmp_path, old)).add("a", "k", {"f": Secret("hunter2")})
    both = open_store(installation(tmp_path, new, old))
    assert both.get("a").value("f") == Secret("hunter2")
    assert rotate_keys(installation(tmp_path, new, old)) == 1
    assert both.get("a").value("f") == Secret("hunter2")
    assert open_store(installation(tmp_path, new)).get("a").value("f") == Secret("hunter2")


def test_one_key_in_the_environment_cannot_rotate_by_itself(tmp_path: Path) -> None:
    with pytest.raises(CredentialError) as refused:
        rotate_keys(installation(tmp_path, new_key().reveal()))
    assert str(refused.value) == (
        "ML_CONNECTOR_KEY holds one key, so there is none to rotate to. Set it to NEW,OLD (newest first) "
        "wherever ml-connector runs, then rotate, then set it to NEW"
    )


def test_a_rotation_with_a_wrong_key_changes_nothing(filled: Settings) -> None:
    before = filled.credentials_file.read_bytes()
    store = CredentialStore(filled.credentials_file, KeyRing([new_key()], source="a test"))
    with pytest.raises(CredentialError, match="wrong key"):
        store.rotate(KeyRing([new_key()], source="a test"))
    assert filled.credentials_file.read_bytes() == before
