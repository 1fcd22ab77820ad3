"""The outside systems behind front ends.

What the systems hold lives in this process and survives: it is their front ends that are killed, as it is a load balancer
or a gateway that goes down, while a statement that was sent goes on. Every secret is made up for the occasion, so that
whatever was written can be searched for it.
"""

import json
import os
import secrets
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives import serialization

from ml_connector_dagster.cli.dagster_process import free_port
from ml_connector_dagster.config.settings import Settings
from ml_connector_dagster.credentials import open_store
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.sandbox import ErpSize, Sandbox, SandboxOptions
from ml_connector_dagster.sandbox.databricks import DatabricksSandbox, WorkspaceOptions
from ml_connector_dagster.sandbox.looker import LookerOptions, LookerSandbox
from ml_connector_dagster.sandbox.monday import MondayOptions
from ml_connector_dagster.sandbox.s3 import S3Options, S3Sandbox
from ml_connector_dagster.sandbox.salesforce import OrgOptions
from ml_connector_dagster.sandbox.snowflake import SnowflakeSandbox
from ml_connector_dagster.sandbox.snowflake.loader_account import loader_account
from ml_connector_dagster_tests.chaos.processes import Service, Supervisor
from ml_connector_dagster_tests.monday_stand import MondayStand
from ml_connector_dagster_tests.salesforce_stand import SalesforceStand


ROOT: Final = Path(__file__).parents[2]

WAREHOUSES: Final = ("duckdb", "snowflake", "databricks")
APPLICATIONS: Final = ("salesforce", "monday")
SYSTEMS: Final = (*WAREHOUSES, *APPLICATIONS)

#: What is no destination: Looker, which reads the DuckDB file, and a bucket for staging.
LOOKER: Final = "looker"
BUCKET: Final = "bucket"

#: What warehouses get; applications get the part of it that has a mapping and changes most.
ENTITIES: Final = (
    "suppliers", "purchase_orders", "purchase_order_lines", "supplier_invoices", "gl_accounts",
)  # fmt: skip
APPLICATION_ENTITIES: Final = ("suppliers", "purchase_orders", "purchase_order_lines")
COMPANIES: Final = ("100", "200")


@dataclass(slots=True, kw_only=True)
class Front:
    """The way to one service: its front end, and what hit requests there."""

    service: str
    port: int
    process: Service
    hits: Counter[str] = field(default_factory=Counter)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def arm(self, kind: str, times: int) -> None:
        self.process.tell(json.dumps({"kind": kind, "times": times}))

    def heal(self) -> None:
        self.process.tell(json.dumps({"kind": "none"}))


@dataclass(slots=True, kw_only=True)
class Outside:
    """Systems, the way to each of them, and what the connector logs in with.

    Attributes:
        systems: destinations, and LOOKER and BUCKET where they were asked for.
        logins: name of a credential → its kind and fields.
    """

    systems: tuple[str, ...]
    sandbox: Sandbox
    stands: Mapping[str, Any]
    fronts: dict[str, Front]
    logins: dict[str, tuple[str, dict[str, str]]]

    def store_logins(self, settings: Settings) -> None:
        """Into the credential store of the connector."""
        store = open_store(settings)
        for name, (kind, values) in self.logins.items():
            store.add(name, kind, {key: Secret(value) for key, value in values.items()})

    @property
    def secrets(self) -> dict[str, str]:
        """What must not be found anywhere: name → value."""
        found = {}
        for name, (kind, values) in self.logins.items():
            fields = json.loads(values["ionapi"]) if kind == "ionapi" else values
            wanted = ("cs", "saak", "sask") if kind == "ionapi" else tuple(fields)
            for key in wanted:
                if key in ("client_id", "access_key_id"):
                    continue  # names who it is, and is shown
                value = fields[key]
                # Of a key file, a line from its middle: it is not always written as one text.
                found[f"{name} {key}"] = value.splitlines()[5] if "-----BEGIN" in value else value
        return found


@contextmanager
def outside(
    folder: Path, systems: Collection[str], supervisor: Supervisor, *, seed: int
) -> Iterator[Outside]:
    """The ERP and ``systems``, each behind its front end; ended when the block ends."""
    chosen = tuple(name for name in (*SYSTEMS, LOOKER, BUCKET) if name in systems)
    with ExitStack() as stack:
        sandbox = stack.enter_context(
            Sandbox.start(SandboxOptions(seed=seed, size=ErpSize.tiny(), requests_per_minute=6000))
        )
        stands = {name: _stand(stack, name, folder) for name in chosen if name != "duckdb"}
        ports = {"erp": port_of(sandbox.url)} | {
            name: port_of(_url(one)) for name, one in stands.items()
        }
        fronts = {
            name: _front(folder, supervisor, name, upstream) for name, upstream in ports.items()
        }
        if "databricks" in stands:
            stands["databricks"].url = fronts["databricks"].url
        yield Outside(
            systems=chosen,
            sandbox=sandbox,
            stands=stands,
            fronts=fronts,
            logins=_logins(sandbox, fronts, stands),
        )


def _stand(stack: ExitStack, name: str, folder: Path) -> Any:
    if name == "snowflake":
        account, login = loader_account()
        account.listen()
        stack.callback(account.stop)
        return _Snowflake(account, _with_passphrase(login["private_key"]))
    if name == "databricks":
        workspace = DatabricksSandbox.start(
            WorkspaceOptions(threads=1, token=f"dapi{secrets.token_hex(16)}")
        )
        stack.callback(workspace.stop)
        return workspace
    if name == BUCKET:
        key = secrets.token_urlsafe(30)
        return stack.enter_context(S3Sandbox.start(S3Options(secret_access_key=key)))
    if name == LOOKER:
        # Which file it reads is for whoever makes one to say.
        options = LookerOptions(lookml=folder / "lookml", client_secret=secrets.token_hex(16))
        return stack.enter_context(LookerSandbox.start(options))
    stand: Any
    if name == "salesforce":
        stand = SalesforceStand(
            options=OrgOptions(clients={"3MVG9.chaos.key": secrets.token_hex(32).upper()})
        )
    else:
        # What it allows in a minute is not the subject here, and would hold the settling up.
        token = f"eyJhbGciOiJIUzI1NiJ9.{secrets.token_urlsafe(40)}.{secrets.token_urlsafe(32)}"
        stand = MondayStand(
            MondayOptions(tier="enterprise", complexity_per_minute=10**9, token=token)
        )
    stack.callback(stand.close)
    return stand


@dataclass(slots=True)
class _Snowflake:
    account: SnowflakeSandbox
    login: dict[str, str]


def _with_passphrase(pem: str) -> dict[str, str]:
    passphrase = secrets.token_urlsafe(24)
    key = serialization.load_pem_private_key(pem.encode(), password=None)
    sealed = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(passphrase.encode()),
    )
    return {"private_key": sealed.decode(), "passphrase": passphrase}


def _url(stand: Any) -> str:
    if isinstance(stand, _Snowflake):
        return stand.account.url
    if isinstance(stand, SalesforceStand):
        return stand.org.url
    return str(stand.sandbox.url if isinstance(stand, MondayStand) else stand.url)


def staging_url(there: Outside) -> str:
    """Batches in the bucket, through its front end."""
    region = there.stands[BUCKET].options.region
    return f"s3://staging/erp?region={region}&endpoint={there.fronts[BUCKET].url}"


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


def _front(folder: Path, supervisor: Supervisor, name: str, upstream: int) -> Front:
    port = free_port()
    hits: Counter[str] = Counter()
    process = Service(
        name=f"front end of {name}",
        command=(
            sys.executable, "-m", "ml_connector_dagster_tests.chaos.front", str(port), str(upstream),
        ),
        environment=os.environ | {"PYTHONPATH": str(ROOT)},
        log=folder / "fronts.log",
        hear=lambda kind: hits.update([kind]),
    )  # fmt: skip
    supervisor.add(process)
    return Front(service=name, port=port, process=process, hits=hits)


def _logins(
    sandbox: Sandbox, fronts: Mapping[str, Front], stands: Mapping[str, Any]
) -> dict[str, tuple[str, dict[str, str]]]:
    ionapi = sandbox.tokens.ionapi_text("ACME_TST", fronts["erp"].url, "service_account")
    found = {"acme": ("ionapi", {"ionapi": ionapi})}
    for name, stand in stands.items():
        if name == "snowflake":
            values = dict(stand.login)
        elif name == "databricks":
            values = {"token": stand.options.token}
        elif name == LOOKER:
            values = stand.login
        elif name == BUCKET:
            values = {
                "access_key_id": stand.options.access_key_id,
                "secret_access_key": stand.options.secret_access_key,
            }
        else:
            values = dict(stand.secrets())
        found[name] = ("s3" if name == BUCKET else name, values)
    return found
