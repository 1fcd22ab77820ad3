"""What a run makes of the partition keys it is given."""

from datetime import date

import pytest

from ml_connector_dagster.config.project import Project
from ml_connector_dagster.defs.partitions import (
    companies_of_run,
    company_days,
    day_ranges,
    days_by_company,
    partition_key,
)


RAGGED = [
    # keys, in the order Dagster gave them                            # reads: company, first, last
    (["100|2026-01-05"], [("100", 5, 5)]),
    (["100|2026-01-05", "100|2026-01-06", "100|2026-01-07"], [("100", 5, 7)]),
    (["100|2026-01-07", "100|2026-01-05", "100|2026-01-06"], [("100", 5, 7)]),
    (["100|2026-01-05", "100|2026-01-07"], [("100", 5, 5), ("100", 7, 7)]),
    (["100|2026-01-05", "007|2026-01-05"], [("100", 5, 5), ("007", 5, 5)]),
    (
        ["100|2026-01-05", "007|2026-01-06", "100|2026-01-06", "100|2026-01-09", "007|2026-01-08"],
        [("100", 5, 6), ("100", 9, 9), ("007", 6, 6), ("007", 8, 8)],
    ),
    ([], []),
]


@pytest.mark.parametrize(("keys", "reads"), RAGGED)
def test_each_contiguous_range_of_a_company_is_one_read(
    keys: list[str], reads: list[tuple[str, int, int]]
) -> None:
    found = day_ranges(days_by_company(keys))
    assert [(one.company, one.first.day, one.last.day) for one in found] == reads


def test_a_range_over_a_month_end_is_one_read() -> None:
    found = day_ranges(days_by_company(["1|2026-02-28", "1|2026-03-01"]))
    assert [(one.first, one.last) for one in found] == [(date(2026, 2, 28), date(2026, 3, 1))]


def test_keys_are_spelled_as_dagster_spells_them(project: Project) -> None:
    partitions = company_days(project.flows["purchasing"], "Europe/Stockholm")
    keys = set(partitions.get_partition_keys())
    assert partition_key("007", date(2026, 1, 1)) in keys
    assert days_by_company(keys).keys() == {"100", "007"}


RUNS = [
    ({}, ("100", "200", "300")),
    ({"dagster/partition": "200|2026-01-05"}, ("200",)),
    (
        {
            "dagster/asset_partition_range_start": "100|2026-01-05",
            "dagster/asset_partition_range_end": "200|2026-01-05",
        },
        ("100", "200"),
    ),
    ({"dagster/partition": "900|2026-01-05"}, ("100", "200", "300")),
]


@pytest.mark.parametrize(("tags", "companies"), RUNS)
def test_a_run_names_its_companies_in_its_tags(
    tags: dict[str, str], companies: tuple[str, ...]
) -> None:
    assert companies_of_run(tags, ["100", "200", "300"]) == companies
