"""Whatever changes, breaks or dies in whatever order: an application ends with exactly the mapped records, each once.

The ERP is the sandbox's; the application is a stand-in over HTTP, reached by the vendor's own client library. A crash
is an exception that nobody may catch, raised between two writes; what runs next is a new workspace on the same
folder. A few examples always, as many others as ``ML_CONNECTOR_EXAMPLES`` says.
"""

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ml_connector_dagster.config.mappings import Condition, EntityMapping, FieldRule
from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster.sandbox.monday import MondayOptions
from ml_connector_dagster_tests.application_worlds import ApplicationWorld, Stand, application_world
from ml_connector_dagster_tests.monday_stand import MondayStand
from ml_connector_dagster_tests.properties import steps
from ml_connector_dagster_tests.properties.steps import Step
from ml_connector_dagster_tests.salesforce_stand import SalesforceStand


MOVED = ("suppliers", "purchase_orders", "purchase_order_lines")
FAULTS = ("lost", "cut", "unavailable", "unauthorized")


#: Every way into both: a few records a call, jobs from the first ones on.
WAYS: Mapping[str, tuple[str, Mapping[str, int]]] = {
    "collections": ("salesforce", {}),
    "bulk": ("salesforce", {"bulk_threshold": 0}),
    "mutations": ("monday", {"batch_size": 7}),
    "ingest": ("monday", {"ingest_threshold": 1}),
}

#: Monday.com takes away what the filter drops; Salesforce keeps up to date what it was given once.
OPEN = EntityMapping(filter=(Condition(column="status_lowest", below="85"),))
#: What a flow says, first and after somebody has changed it. Orders that leave take their lines along.
MAPPINGS: Mapping[str, Sequence[dict[str, EntityMapping]]] = {
    "monday": (
        {"purchase_order_lines": OPEN},
        {"purchase_orders": OPEN, "purchase_order_lines": OPEN},
    ),
    "salesforce": (
        {},
        {"suppliers": EntityMapping(fields={"ERP_Buyer__c": FieldRule(constant="nobody")})},
    ),
}


@pytest.fixture(scope="module", params=list(WAYS))
def stand(request: pytest.FixtureRequest) -> Iterator[Stand]:
    system, changes = WAYS[request.param]
    made: Stand
    if system == "salesforce":
        made = SalesforceStand(**changes)
    else:
        # What was created is found by a search only after a while, as may be.
        made = MondayStand(MondayOptions(tier="enterprise", search_lag=2.0), **changes)
    yield made
    made.close()


def world_of(sandbox: Sandbox, stand: Stand, folder: Path, *entities: str) -> ApplicationWorld:
    """Suppliers, orders and their open lines of one company, in an application that is set up."""
    stand.reset()
    chosen = MAPPINGS[stand.system][0]
    return application_world(sandbox, stand, folder, *(entities or MOVED), page_rows=25, **chosen)


def _fault(kind: str, nth: int) -> Step:
    return f"{kind} at call {nth}", lambda world: world.there.break_call(kind, nth)


def _remap(number: int) -> Step:
    def act(world: ApplicationWorld) -> None:
        world.mapping = MAPPINGS[world.there.system][number]

    return f"mapping {number} from now on", act


entities = st.sampled_from(MOVED)
seeds = st.integers(0, 9)
any_step = st.one_of(
    st.builds(steps.change, entities, st.integers(1, 6), seeds),
    st.builds(steps.insert, entities, st.integers(1, 2), seeds),
    st.just(steps.RUN),
    st.builds(steps.crash, st.integers(1, 60)),
    st.builds(_fault, st.sampled_from(FAULTS), st.integers(1, 5)),
    st.builds(steps.wait, st.integers(1, 30)),
    st.builds(_remap, st.integers(0, 1)),
    st.just(steps.REPLAY),
)


@pytest.mark.timeout(1800)
@settings(
    max_examples=int(os.environ.get("ML_CONNECTOR_EXAMPLES", "4")),
    deadline=None,
    derandomize="ML_CONNECTOR_EXAMPLES" not in os.environ,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(sequence=st.lists(any_step, min_size=3, max_size=9))
def test_any_sequence_of_changes_faults_and_crashes_ends_equal_to_the_mapped_oracle(
    sandbox: Sandbox, stand: Stand, sequence: list[Step]
) -> None:
    sandbox.reset()
    with tempfile.TemporaryDirectory() as folder:
        world = world_of(sandbox, stand, Path(folder))
        for _, act in sequence:
            act(world)
        settle(world)
        world.assert_application_equals_the_oracle()
        assert sum(result.counts.written for result in world.run_well()) == 0


def test_a_delivery_that_dies_at_any_write_point_is_made_good_by_the_next_run(
    sandbox: Sandbox, stand: Stand, tmp_path: Path
) -> None:
    world = world_of(sandbox, stand, tmp_path, "suppliers")
    died_at: list[str] = []
    for at in count(1):
        world.sandbox.clock.advance(hours=1)
        world.sandbox.erp.insert("suppliers", 1, seed=at)
        world.sandbox.erp.change("suppliers", 3, seed=at)
        point = world.crash(at)
        if point is None:
            break
        died_at.append(point)
        settle(world)
    world.assert_application_equals_the_oracle()
    assert {"before intents", "after intents", "before answers", "after answers"} <= set(died_at)


def settle(world: ApplicationWorld) -> None:
    """Everything answers again: one run, and what waited for its parents is replayed."""
    world.there.heal()
    world.run_well()
    world.replay()
    with world.open() as workspace:
        assert [letter.reason for letter in workspace.ledger.dead_letters()] == []
