"""Plain HTTP calls to the Monday.com sandbox, as any client would make them."""

import json
from dataclasses import dataclass
from typing import Any

import requests

from ml_connector_dagster.sandbox.monday import MondaySandbox


@dataclass(slots=True)
class MondayCaller:
    """Calls with the right token and version, unless headers say otherwise."""

    sandbox: MondaySandbox

    def post(
        self, query: str, variables: dict[str, Any] | None = None, **headers: str
    ) -> requests.Response:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return requests.post(
            f"{self.sandbox.url}/v2",
            json={"query": query, "variables": variables or {}},
            headers={"Authorization": self.sandbox.options.token, "API-Version": "2026-10"} | given,
            timeout=30,
        )

    def data(self, query: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
        """The data of an answer without errors."""
        answer = self.post(query, variables).json()
        assert "errors" not in answer, answer["errors"]
        data: dict[str, Any] = answer["data"]
        return data

    def codes(
        self, query: str, variables: dict[str, Any] | None = None, **headers: str
    ) -> list[str]:
        """The codes of an answer's errors."""
        errors = self.post(query, variables, **headers).json().get("errors", [])
        return [error["extensions"]["code"] for error in errors]

    def board(self, **columns: str) -> str:
        """A new board with a text column ``erp_key`` and these columns (id → type)."""
        made = self.data(
            'mutation { made: create_board(board_kind: public, board_name: "B", empty: true) { id } }'
        )
        board: str = made["made"]["id"]
        for column_id, kind in {"erp_key": "text", **columns}.items():
            self.data(
                "mutation ($b: ID!, $i: String!, $t: ColumnType!) "
                "{ create_column(board_id: $b, id: $i, title: $i, column_type: $t) { id } }",
                {"b": board, "i": column_id, "t": kind},
            )
        return board

    def item(self, board: str, name: str = "I", **values: Any) -> str:
        """A new item."""
        made = self.data(CREATE, {"b": board, "n": name, "v": json.dumps(values)})
        number: str = made["made"]["id"]
        return number


CREATE = (
    "mutation ($b: ID!, $n: String!, $v: JSON) "
    "{ made: create_item(board_id: $b, item_name: $n, column_values: $v) { id } }"
)
INGEST = """
mutation ($b: ID!, $m: OnMatchInput) { job: ingest_items(board_id: $b, group_id: "topics", on_match: $m) {
  job_id upload_url } }
"""
STATUS = """
query ($j: ID!) { job: fetch_job_status(job_id: $j) { ... on ItemsJobStatus { status failure_reason report_url
  counts { submitted invalid skipped created updated failed } } } }
"""
SEARCH = """
query ($b: ID!, $k: [String]!, $l: Int!) { found: items_page_by_column_values(board_id: $b, limit: $l,
  columns: [{column_id: "erp_key", column_values: $k}]) { cursor items { id name } } }
"""
PAGE = """
query ($b: [ID!], $l: Int!) { boards(ids: $b) { items_page(limit: $l) { cursor items { id } } } }
"""
NEXT = "query ($c: String!, $l: Int!) { page: next_items_page(cursor: $c, limit: $l) { cursor items { id } } }"
