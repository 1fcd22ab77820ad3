"""Plain HTTP calls to the sandbox, for its own specs: nothing of our client is used here."""

import json
from typing import Any

import httpx

from ml_connector_dagster.sandbox import Sandbox


Record = dict[str, str]


class Caller:
    """Logs in once as ``tenant`` and calls M3 with ``Accept: application/json``."""

    def __init__(self, sandbox: Sandbox, tenant: str = "ACME_TST") -> None:
        self.sandbox = sandbox
        self.tenant = tenant
        self.file: dict[str, str] = json.loads(sandbox.ionapi_text(tenant))
        self.http = httpx.Client(timeout=10)
        self.token = ""

    def close(self) -> None:
        self.http.close()

    def login(self, **form: str) -> httpx.Response:
        """Ask for a token; ``form`` replaces parts of the right form."""
        right = {
            "grant_type": "password",
            "username": self.file["saak"],
            "password": self.file["sask"],
        }
        return self.http.post(
            self.file["pu"] + self.file["ot"],
            data=right | form,
            auth=(self.file["ci"], self.file["cs"]),
        )

    def headers(self) -> dict[str, str]:
        if not self.token:
            self.token = str(self.login().json()["access_token"])
        return {"Authorization": f"Bearer {self.token}", "Accept": "application/json"}

    def get(self, path: str, **inputs: str) -> httpx.Response:
        """GET a path below the tenant, as it stands."""
        url = f"{self.file['iu']}/{self.tenant}/{path}"
        return self.http.get(url, params=inputs or None, headers=self.headers())

    def mi(self, transaction: str, options: str = "maxrecs=0", **inputs: str) -> httpx.Response:
        """Call ``PROGRAM/Transaction`` by v2, dates as YMD8, texts trimmed."""
        return self.get(
            f"M3/m3api-rest/v2/execute/{transaction};dateformat=YMD8;righttrim=true;{options}",
            **inputs,
        )

    def records(self, transaction: str, options: str = "maxrecs=0", **inputs: str) -> list[Record]:
        """The records of a call that must succeed."""
        answer = self.mi(transaction, options, **inputs)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert body["nrOfFailedTransactions"] == 0, answer.text
        return list(body["results"][0]["records"])

    def refusal(self, transaction: str, options: str = "maxrecs=0", **inputs: str) -> Record:
        """The error fields of a call that must be refused inside HTTP 200."""
        answer = self.mi(transaction, options, **inputs)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert body["nrOfFailedTransactions"] == 1, answer.text
        assert body["nrOfSuccessfullTransactions"] == 0
        result: Record = body["results"][0]
        assert "records" not in result
        assert result["errorType"] == "ServerReturnedNOK"
        return result

    def bulk(self, **body: Any) -> httpx.Response:
        """POST a bulk request."""
        url = f"{self.file['iu']}/{self.tenant}/M3/m3api-rest/v2/execute"
        return self.http.post(url, json=body, headers=self.headers())

    def export(self, query: str, options: str = "maxrecs=0;cono=100") -> list[list[str]]:
        """Rows of an EXPORTMI Select, split; the header row left out."""
        rows = self.records("EXPORTMI/Select", options, SEPC="|", HDRS="0", QERY=query)
        return [row["REPL"].split("|") for row in rows]
