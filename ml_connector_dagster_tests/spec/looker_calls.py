"""Plain HTTP calls to a stand-in of Looker, logged in."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from types import TracebackType
from typing import Any, Self

import httpx

from ml_connector_dagster.sandbox.looker import LookerSandbox


class LookerCaller:
    """A client with no cleverness of its own."""

    def __init__(self, sandbox: LookerSandbox) -> None:
        self._sandbox = sandbox
        self._http = httpx.Client(base_url=f"{sandbox.url}/api/4.0", timeout=60)
        self.log_in()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def log_in(self) -> httpx.Response:
        answer = self._http.post("/login", data=self._sandbox.login)
        self._http.headers["Authorization"] = f"Bearer {answer.json().get('access_token', '')}"
        return answer

    def get(self, path: str, **arguments: str) -> httpx.Response:
        return self._http.get(path, params=arguments)

    def post(self, path: str, body: object = None, **arguments: str) -> httpx.Response:
        return self._http.request("POST", path, json=body, params=arguments)

    def call(self, method: str, path: str, body: object = None, **more: Any) -> httpx.Response:
        return self._http.request(method, path, json=body, **more)

    def rows(
        self,
        model: str,
        explore: str,
        fields: Sequence[str],
        *,
        filters: Mapping[str, str] | None = None,
        sorts: Sequence[str] = (),
        limit: str = "500",
        form: str = "json",
        **arguments: str,
    ) -> list[dict[str, Any]]:
        """An inline query's rows; decimals stay exact. Fails when it fails."""
        query = {
            "model": model,
            "view": explore,
            "fields": list(fields),
            "filters": dict(filters or {}),
            "sorts": list(sorts),
            "limit": limit,
        }
        answer = self.post(f"/queries/run/{form}", query, **arguments)
        assert answer.status_code == 200, answer.text
        assert "looker_error" not in answer.text, answer.text[:1000]
        told = json.loads(answer.content, parse_float=Decimal)
        if form == "json_detail":
            assert "errors" not in told, told
            return [{name: cell["value"] for name, cell in row.items()} for row in told["data"]]
        found: list[dict[str, Any]] = told
        return found

    def sql(self, statement: str, connection: str = "warehouse") -> list[dict[str, Any]]:
        """SQL Runner, both calls."""
        made = self.post("/sql_queries", {"connection_name": connection, "sql": statement})
        assert made.status_code == 200, made.text
        answer = self.post(f"/sql_queries/{made.json()['slug']}/run/json")
        found: list[dict[str, Any]] = answer.json()
        return found
