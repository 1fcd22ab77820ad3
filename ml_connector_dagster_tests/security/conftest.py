"""Every system behind a front end that can be made to misbehave; credentials made up for this run of the tests."""

from collections.abc import Iterator

import pytest

from ml_connector_dagster_tests.chaos.outside import LOOKER, SYSTEMS, Outside, outside
from ml_connector_dagster_tests.chaos.processes import Supervisor


@pytest.fixture(scope="package")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outside]:
    supervisor = Supervisor()
    folder = tmp_path_factory.mktemp("outside")
    try:
        with outside(folder, [*SYSTEMS, LOOKER], supervisor, seed=7_531) as systems:
            yield systems
            for front in systems.fronts.values():
                front.heal()
    finally:
        supervisor.stop()
