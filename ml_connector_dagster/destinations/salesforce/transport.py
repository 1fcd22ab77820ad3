"""The calls to one org, through simple-salesforce over our session. Raises ``Refused`` and our errors, never others.

Left aside in the library, with reasons measured in reference/saas-destinations.md §1.1: upsert of single records (their
keys are not escaped in the URL), its own renewal of tokens (no bound), bulk helpers that wait (they lose the job).
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from urllib.parse import quote

from simple_salesforce.api import Salesforce

from ml_connector_dagster.destinations.salesforce.jsons import Json, encoded
from ml_connector_dagster.destinations.salesforce.refusals import (
    Problem,
    Refused,
    record_problem,
)
from ml_connector_dagster.destinations.salesforce.sessions import ApiUsage, TokenSession
from ml_connector_dagster.model.errors import ContractError


#: Records of one Collections call.
MOST_RECORDS: Final = 200
_JSON: Final = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What became of one record of a Collections call. ``problem`` None: saved as ``id``."""

    id: str = ""
    problem: Problem | None = None


class Transport:
    """One org. Safe for several threads."""

    def __init__(
        self, session: TokenSession, *, version: str, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self.session = session
        self.version = version
        self.pause = pause
        self._lock = threading.Lock()
        self._client: Salesforce | None = None

    @property
    def usage(self) -> ApiUsage | None:
        """The org's daily requests, as of the latest answer."""
        return self.session.usage

    @property
    def instance(self) -> str:
        """Host of the org; logs in when that was not done."""
        self.session.ensure_login()
        return self.session.instance

    def close(self) -> None:
        self.session.close()

    # --- Metadata ---------------------------------------------------------------------------------

    def describe(self, sobject: str) -> Mapping[str, Any] | None:
        """The metadata of an object; None when it is not there, or not visible."""
        try:
            told = self.restful(f"sobjects/{quote(sobject, safe='')}/describe")
        except Refused as refused:
            if refused.status == 404:
                return None
            raise
        if not isinstance(told, Mapping) or not isinstance(told.get("fields"), list):
            raise ContractError(f"Salesforce describes {sobject} without fields")
        return told

    def user_id(self) -> str:
        """The user that the app runs as."""
        told = self.restful("")
        identity = told.get("identity", "") if isinstance(told, Mapping) else ""
        return str(identity).rsplit("/", 1)[-1]

    def deploy(self, archive: bytes) -> str:
        """Start a deployment of metadata; answers its id."""
        client = self.client()
        options = {"deployOptions": {"singlePackage": True, "rollbackOnError": True}}
        response = client.session.post(
            f"{client.base_url}metadata/deployRequest",
            files={
                "json": (None, encoded(options), "application/json"),
                "file": ("metadata.zip", archive, "application/zip"),
            },
        )
        return str(response.json()["id"])

    def deployment(self, deployment_id: str) -> Mapping[str, Any]:
        """How a deployment stands: its ``deployResult``."""
        path = f"metadata/deployRequest/{deployment_id}?includeDetails=true"
        told = self.restful(path)
        if not isinstance(told, Mapping) or not isinstance(told.get("deployResult"), Mapping):
            raise ContractError("Salesforce tells nothing of a deployment")
        result: Mapping[str, Any] = told["deployResult"]
        return result

    # --- Records ------------------------------------------------------------------------------------

    def query(self, soql: str) -> Iterator[Mapping[str, Any]]:
        """The records of a query, page by page. Numbers are Decimals."""
        yield from self.client().query_all_iter(soql)

    def count(self, soql: str) -> Mapping[str, Any]:
        """The only row of a query that aggregates without groups."""
        rows = list(self.query(soql))
        if len(rows) != 1:
            raise ContractError(f"Salesforce answers an aggregate with {len(rows)} rows")
        return rows[0]

    def upsert(
        self,
        sobject: str,
        key_field: str,
        records: Sequence[Mapping[str, Json]],
        *,
        allow_duplicates: bool,
    ) -> list[Saved]:
        """Up to 200 records by external id: created or updated. Safe to repeat."""
        path = f"composite/sobjects/{quote(sobject, safe='')}/{quote(key_field, safe='')}"
        return self._collection("PATCH", path, sobject, records, allow_duplicates)

    def create(
        self, sobject: str, records: Sequence[Mapping[str, Json]], *, allow_duplicates: bool
    ) -> list[Saved]:
        """Up to 200 new records. NOT safe to repeat: raises OutcomeUnknownError when the answer is lost."""
        return self._collection("POST", "composite/sobjects", sobject, records, allow_duplicates)

    def update(
        self, sobject: str, records: Sequence[Mapping[str, Json]], *, allow_duplicates: bool
    ) -> list[Saved]:
        """Up to 200 records by their ``Id``."""
        return self._collection("PATCH", "composite/sobjects", sobject, records, allow_duplicates)

    def _collection(
        self,
        method: str,
        path: str,
        sobject: str,
        records: Sequence[Mapping[str, Json]],
        allow_duplicates: bool,
    ) -> list[Saved]:
        typed = [{"attributes": {"type": sobject}, **record} for record in records]
        headers = dict(_JSON)
        if allow_duplicates:
            headers["Sforce-Duplicate-Rule-Header"] = "allowSave=true"
        answers = self.restful(
            path,
            method=method,
            data=encoded({"allOrNone": False, "records": typed}),
            headers=headers,
        )
        if not isinstance(answers, list) or len(answers) != len(records):
            raise ContractError(
                f"Salesforce answers {len(records)} records of {sobject} with "
                f"{len(answers) if isinstance(answers, list) else 'no'} results"
            )
        return [_saved(one) for one in answers]

    # --- The library ----------------------------------------------------------------------------------

    def client(self) -> Salesforce:
        """The library's client. It never logs in: the session puts the token into each request."""
        with self._lock:
            if self._client is None:
                self.session.ensure_login()
                self._client = Salesforce(
                    session_id="of the session",
                    instance=self.session.instance,
                    session=self.session,
                    version=self.version,
                    parse_float=Decimal,
                    object_pairs_hook=dict,
                )
            return self._client

    def restful(self, path: str, method: str = "GET", **settings: Any) -> Any:
        """A call by path. ``settings`` are requests' own: json, data, headers."""
        return self.client().restful(path, method=method, **settings)


def _saved(answer: object) -> Saved:
    if not isinstance(answer, Mapping):
        raise ContractError("Salesforce answers a record with something else than an object")
    if answer.get("success") is True:
        return Saved(id=str(answer.get("id", "")))
    return Saved(problem=record_problem(answer.get("errors")))
