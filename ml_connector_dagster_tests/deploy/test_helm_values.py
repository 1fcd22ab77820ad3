"""Helm values: the chart takes them, Kubernetes knows their pods, and Dagster the instance that comes of them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import jsonschema
import pytest
import yaml
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

from ml_connector_dagster.defs.doctor import look_at_settings
from ml_connector_dagster.sync.doctor import Verdict


VALUES: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[2] / "deploy" / "helm" / "values.yaml").read_text()
)
DEPLOYMENT: dict[str, Any] = VALUES["dagster-user-deployments"]["deployments"][0]


@pytest.fixture(scope="module")
def chart(shared_folder: Path) -> Path:
    folder = shared_folder / "contracts" / "dagster-helm"
    if not folder.exists():
        pytest.skip("Dagster's Helm chart is not in the shared folder")
    return folder


def merged(default: Any, given: Any) -> Any:
    """As Helm does: maps are merged, everything else is replaced."""
    if isinstance(default, dict) and isinstance(given, dict):
        return default | {name: merged(default.get(name), value) for name, value in given.items()}
    return given


def unknown(default: Any, given: Any, path: str = "") -> Iterator[str]:
    """Keys that the chart's values do not have, as far as these say what there is."""
    if not isinstance(default, dict) or not default or not isinstance(given, dict):
        return
    for name, value in given.items():
        if name in default:
            yield from unknown(default[name], value, f"{path}.{name}")
        else:
            yield f"{path}.{name}"


def test_the_chart_takes_the_values(chart: Path) -> None:
    whole = merged(yaml.safe_load((chart / "values.yaml").read_text()), VALUES)
    schema = json.loads((chart / "values.schema.json").read_text())
    # Kubernetes' own definitions are elsewhere; a test below holds the pods against its client.
    anything = Resource.from_contents({}, default_specification=DRAFT7)
    registry: Registry[Any] = Registry(retrieve=lambda uri: anything)
    validator = jsonschema.Draft7Validator(schema, registry=registry)
    assert [f"{error.json_path}: {error.message}" for error in validator.iter_errors(whole)] == []


def test_no_value_is_one_that_the_chart_does_not_know(chart: Path) -> None:
    known = yaml.safe_load((chart / "values.yaml").read_text())
    #: Optional ones that its values do not spell out; its schema names them (cancelTimeoutSeconds, labels ...).
    assert list(unknown(known, VALUES)) == []


def test_kubernetes_knows_every_field_of_the_pods() -> None:
    client = pytest.importorskip("kubernetes.client")
    models = pytest.importorskip("dagster_k8s.models")

    def check(model: Any, value: dict[str, Any]) -> None:
        models.k8s_model_from_dict(model, models.k8s_snake_case_dict(model, value))

    for volume in DEPLOYMENT["volumes"]:
        check(client.V1Volume, volume)
    for mount in DEPLOYMENT["volumeMounts"]:
        check(client.V1VolumeMount, mount)
    for part in (DEPLOYMENT, VALUES["dagsterWebserver"], VALUES["dagsterDaemon"]):
        check(client.V1PodSecurityContext, part["podSecurityContext"])
        check(client.V1SecurityContext, part["securityContext"])
        check(client.V1ResourceRequirements, part["resources"])
    (job,) = VALUES["extraManifests"]
    check(client.V1ObjectMeta, job["metadata"])
    check(client.V1JobSpec, job["spec"])


def test_the_run_launcher_takes_the_configuration_of_its_pods() -> None:
    launcher = pytest.importorskip("dagster_k8s")
    given = VALUES["runLauncher"]["config"]["k8sRunLauncher"]["runK8sConfig"]
    from dagster_k8s.job import UserDefinedDagsterK8sConfig

    made = UserDefinedDagsterK8sConfig.from_dict(
        {
            "container_config": given["containerConfig"],
            "pod_spec_config": given["podSpecConfig"],
            "job_spec_config": given["jobSpecConfig"],
        }
    )
    assert made.job_spec_config == {"ttl_seconds_after_finished": 86400}
    assert launcher.K8sRunLauncher.__name__ == VALUES["runLauncher"]["type"]


def test_dagster_takes_the_instance_that_the_chart_writes(tmp_path: Path) -> None:
    """The parts of ``templates/configmap-instance.yaml`` that these values reach, with SQLite in place of PostgreSQL."""
    daemon, pools = VALUES["dagsterDaemon"], VALUES["concurrency"]
    queue = daemon["runCoordinator"]["config"]["queuedRunCoordinator"]
    written = {
        "run_coordinator": {
            "module": "dagster.core.run_coordinator",
            "class": "QueuedRunCoordinator",
            "config": {
                "dequeue_interval_seconds": queue["dequeueIntervalSeconds"],
                "dequeue_use_threads": queue["dequeueUseThreads"],
                "dequeue_num_workers": queue["dequeueNumWorkers"],
            },
        },
        "run_monitoring": {
            "enabled": daemon["runMonitoring"]["enabled"],
            "start_timeout_seconds": daemon["runMonitoring"]["startTimeoutSeconds"],
            "max_resume_run_attempts": daemon["runMonitoring"]["maxResumeRunAttempts"],
            "poll_interval_seconds": daemon["runMonitoring"]["pollIntervalSeconds"],
            "free_slots_after_run_end_seconds": daemon["runMonitoring"][
                "freeSlotsAfterRunEndSeconds"
            ],
        },
        "run_retries": {"enabled": True, "max_retries": daemon["runRetries"]["maxRetries"]},
        "concurrency": {
            "pools": {
                "default_limit": pools["pools"]["defaultLimit"],
                "granularity": pools["pools"]["granularity"],
            },
            "runs": {
                "max_concurrent_runs": pools["runs"]["maxConcurrentRuns"],
                "tag_concurrency_limits": pools["runs"]["tagConcurrencyLimits"],
            },
        },
        "retention": {
            "schedule": {"purge_after_days": VALUES["retention"]["schedule"]["purgeAfterDays"]},
            "sensor": {"purge_after_days": VALUES["retention"]["sensor"]["purgeAfterDays"]},
            "auto_materialize": {
                "purge_after_days": VALUES["retention"]["autoMaterialize"]["purgeAfterDays"]
            },
        },
        "telemetry": VALUES["telemetry"],
        **VALUES["additionalInstanceConfig"],
    }
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(written))
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        found = {one.check: one for one in look_at_settings(instance)}
    assert {one.verdict for one in found.values()} == {Verdict.OK}
    assert found["run queue"].detail == "at most 16 runs at once"


def test_what_production_says_twice_it_says_alike() -> None:
    """Anchors do not reach into the job's plain strings."""
    image = DEPLOYMENT["image"]
    container = VALUES["extraManifests"][0]["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == f"{image['repository']}:{image['tag']}"
    environment = {one["name"]: one.get("value") for one in container["env"]}
    for one in DEPLOYMENT["env"]:
        assert environment[one["name"]] == one["value"]


def test_the_pools_and_limits_are_those_of_the_repository() -> None:
    shipped = yaml.safe_load((Path(__file__).parents[2] / "dagster.yaml").read_text())
    pools = shipped["concurrency"]["pools"]
    assert VALUES["concurrency"]["pools"] == {
        "granularity": pools["granularity"],
        "defaultLimit": pools["default_limit"],
        "opGranularityRunBuffer": pools["op_granularity_run_buffer"],
    }
    assert (
        VALUES["dagsterDaemon"]["runMonitoring"]["freeSlotsAfterRunEndSeconds"]
        == shipped["run_monitoring"]["free_slots_after_run_end_seconds"]
    )
    assert (
        VALUES["dagsterDaemon"]["runRetries"]["maxRetries"] == shipped["run_retries"]["max_retries"]
    )
