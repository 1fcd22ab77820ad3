"""The few calls to Dagster's GraphQL API that commands need: launch assets over a partition range, wait, ask."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from ml_connector_dagster.model.errors import ContractError, TransientError


#: Seconds for one answer: launching a run of all assets took 100 on a machine with four times more work than cores.
TIMEOUT = 600

ASSETS = """
query { assetNodes {
  assetKey { path } isMaterializable
  repository { name location { name } } jobNames
} }
"""

LAUNCH = """
mutation($params: ExecutionParams!) { launchPipelineExecution(executionParams: $params) {
  __typename
  ... on LaunchRunSuccess { run { runId } }
  ... on PythonError { message }
  ... on RunConfigValidationInvalid { errors { message } }
  ... on InvalidSubsetError { message }
  ... on PipelineNotFoundError { message }
} }
"""

RUN = """
query($id: ID!) { runOrError(runId: $id) {
  __typename
  ... on Run { status stats { __typename
    ... on RunStatsSnapshot { stepsSucceeded } } }
} }
"""

CHECKS = """
query { assetNodes { assetKey { path } assetChecksOrError { __typename
  ... on AssetChecks { checks { name executionForLatestMaterialization { status } } } } } }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetNode:
    """One asset as the webserver knows it."""

    path: tuple[str, ...]
    repository: str
    location: str
    job: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """How far a run is. ``status`` is Dagster's word: QUEUED, STARTED, SUCCESS, FAILURE, …"""

    status: str
    steps_done: int

    @property
    def ended(self) -> bool:
        return self.status in ("SUCCESS", "FAILURE", "CANCELED")


class DagsterApi:
    """A webserver on loopback. Raises ContractError when it answers something else than expected, TransientError when it
    does not answer."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._client = httpx.Client(base_url=url, timeout=TIMEOUT, trust_env=False)

    def close(self) -> None:
        self._client.close()

    def is_up(self) -> bool:
        """Whether the webserver answers."""
        try:
            return self._client.get("/server_info", timeout=2).is_success
        except httpx.TransportError:
            return False

    def query(self, text: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The ``data`` of one GraphQL request."""
        try:
            reply = self._client.post(
                "/graphql", json={"query": text, "variables": dict(variables or {})}
            )
        except httpx.TransportError as error:
            raise TransientError(
                f"Dagster's webserver at {self.url} does not answer ({type(error).__name__}). Its log says why; a machine "
                f"that is too busy takes longer than {TIMEOUT} seconds"
            ) from error
        document = reply.json()
        if document.get("errors") or document.get("data") is None:
            raise ContractError(f"Dagster's webserver refused a query: {document.get('errors')}")
        data: dict[str, Any] = document["data"]
        return data

    def materializable_assets(self) -> tuple[AssetNode, ...]:
        """Every asset that a run can make; raises ContractError when there is none."""
        found = tuple(
            AssetNode(
                path=tuple(node["assetKey"]["path"]),
                repository=node["repository"]["name"],
                location=node["repository"]["location"]["name"],
                job=node["jobNames"][0],
            )
            for node in self.query(ASSETS)["assetNodes"]
            if node["isMaterializable"]
        )
        if not found:
            raise ContractError(
                "Dagster shows no assets: the code location did not load, its log says why"
            )
        return found

    def launch(self, assets: Sequence[AssetNode], tags: Mapping[str, str]) -> str:
        """Launch one run of ``assets``; answers the run id."""
        result = self.query(
            LAUNCH,
            {
                "params": {
                    "selector": {
                        "repositoryName": assets[0].repository,
                        "repositoryLocationName": assets[0].location,
                        "pipelineName": "__ASSET_JOB",
                        "assetSelection": [{"path": list(asset.path)} for asset in assets],
                    },
                    "mode": "default",
                    "runConfigData": {},
                    "executionMetadata": {
                        "tags": [{"key": key, "value": value} for key, value in tags.items()]
                    },
                }
            },
        )["launchPipelineExecution"]
        if result["__typename"] != "LaunchRunSuccess":
            raise ContractError(f"Dagster did not launch the run: {result}")
        return str(result["run"]["runId"])

    def run(self, run_id: str) -> RunState:
        """The state of one run."""
        found = self.query(RUN, {"id": run_id})["runOrError"]
        if found["__typename"] != "Run":
            raise ContractError(f"Dagster does not know run {run_id}")
        stats = found["stats"]
        return RunState(status=found["status"], steps_done=stats.get("stepsSucceeded") or 0)

    def checks(self) -> dict[str, str]:
        """``asset/key:check`` → SUCCEEDED, FAILED, … or NOT RUN."""
        found = {}
        for node in self.query(CHECKS)["assetNodes"]:
            for check in node["assetChecksOrError"].get("checks", ()):
                execution = check["executionForLatestMaterialization"]
                name = f"{'/'.join(node['assetKey']['path'])}:{check['name']}"
                found[name] = execution["status"] if execution else "NOT RUN"
        return found
