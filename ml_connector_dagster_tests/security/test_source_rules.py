"""What the source never does, whatever a linter is told to overlook: checked on the syntax trees of the product."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

import ml_connector_dagster


ROOT = Path(ml_connector_dagster.__file__).parent
SANDBOX = ROOT / "sandbox"


def product_calls() -> Iterator[tuple[str, ast.Call]]:
    """Every call in the product, the stand-ins left out: place → call."""
    for path in sorted(ROOT.rglob("*.py")):
        if SANDBOX not in path.parents:
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def imported() -> Iterator[tuple[str, str]]:
    """Every module that any of our modules imports, the stand-ins included."""
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            yield from ((f"{path.relative_to(ROOT)}:{node.lineno}", name) for name in names)


def keyword(call: ast.Call, name: str) -> object:
    """The constant that a keyword is given; ``...`` when it is no constant, None when it is not there."""
    for one in call.keywords:
        if one.arg == name:
            return one.value.value if isinstance(one.value, ast.Constant) else ...
    return None


@pytest.mark.parametrize(
    "module", ["pickle", "marshal", "shelve", "dill", "cloudpickle", "jsonpickle"]
)
def test_nothing_is_unpickled(module: str) -> None:
    assert [where for where, name in imported() if name.split(".")[0] == module] == []


def test_no_shell_is_asked() -> None:
    assert [where for where, call in product_calls() if keyword(call, "shell")] == []
    runs = {"os.system", "os.popen", "eval", "exec", "subprocess.getoutput"}
    assert [where for where, call in product_calls() if ast.unparse(call.func) in runs] == []


def test_yaml_is_only_ever_data() -> None:
    loads = {"yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.full_load"}
    assert [where for where, call in product_calls() if ast.unparse(call.func) in loads] == []


def test_no_certificate_goes_unread() -> None:
    unread = [
        where
        for where, call in product_calls()
        if keyword(call, "verify") is False
        or keyword(call, "verify_ssl") is False
        or keyword(call, "insecure_mode") is True
    ]
    assert unread == []


def test_no_client_follows_redirects() -> None:
    followers = [
        where
        for where, call in product_calls()
        if keyword(call, "follow_redirects") or keyword(call, "allow_redirects") is True
    ]
    assert followers == []


def test_no_archive_is_unpacked() -> None:
    """Some are packed: what is deployed to Salesforce. A member's name could lead anywhere."""
    unpacking = ("extract", "extractall", "unpack_archive")
    assert [
        where
        for where, call in product_calls()
        if isinstance(call.func, ast.Attribute) and call.func.attr in unpacking
    ] == []
    assert [where for where, name in imported() if name == "tarfile"] == []


def test_a_password_in_a_database_url_is_not_shown() -> None:
    assert "s3cret" not in str(make_url("postgresql://connector:s3cret@db/ledger"))
