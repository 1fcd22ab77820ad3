"""Dagster's default launcher, which also notices runs whose process is gone.

The code server reports a run whose process died, as long as it lives itself. When a host goes down with both, nobody does:
the run stays STARTED until ``max_runtime_seconds``, and its schedule skips the company as long (Dagster 1.13; the default
launcher takes no part in run monitoring). Here monitoring asks the code server whether it knows the run.

The base class is public, what it is asked with is not: a test opens an instance with it.
"""

from dagster import DagsterRun, DefaultRunLauncher
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
from dagster._serdes import deserialize_value


class WatchedRunLauncher(DefaultRunLauncher):
    """Named by ``run_launcher`` in dagster.yaml."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """NOT_FOUND when the run's code server is there and does not know it: it was started anew, without the run.

        A code server that does not answer says nothing: it may be busy, or about to come back.
        """
        client = self._get_grpc_client_for_termination(run.run_id)  # type: ignore[no-untyped-call]  # Dagster's own
        if client is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        try:
            answer = client.can_cancel_execution(
                CanCancelExecutionRequest(run_id=run.run_id), timeout=10
            )
        except DagsterUserCodeUnreachableError:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        if deserialize_value(answer, CanCancelExecutionResult).can_cancel:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(
            WorkerStatus.NOT_FOUND,
            "its code server was started anew; the process of the run is gone",
        )
