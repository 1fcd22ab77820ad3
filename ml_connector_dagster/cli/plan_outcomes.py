"""``ml-connector plan --actual``: the last plan beside what the run took."""

from ml_connector_dagster.cli.output import print_table, stdout
from ml_connector_dagster.sync.forecast_outcomes import ForecastOutcome


def print_outcome(outcome: ForecastOutcome) -> None:
    """Planned and actual, side by side."""
    made = outcome.forecast.made_at
    print_table(
        f"Plan of {outcome.forecast.flow} of {made:%Y-%m-%d %H:%M} UTC, and what became of it",
        ["entity", "company", "rows planned", "read", "requests planned", "used", "off", "basis"],
        [
            [
                one.planned.entity,
                one.planned.company,
                one.planned.rows,
                one.actual and one.actual.rows,
                one.planned.requests,
                one.actual and one.actual.requests,
                "not run yet" if one.off is None else f"{one.off:+.0%}",
                one.planned.basis,
            ]
            for one in outcome.reads
        ],
    )
    print_sum(outcome)
    if outcome.deliveries:
        print_table(
            "Deliveries",
            ["destination", "entity", "calls planned", "made"],
            [
                [one.planned.destination, one.planned.entity, one.planned.calls, one.calls]
                for one in outcome.deliveries
            ],
        )
    if outcome.run_ids:
        stdout.print(f"Runs: {', '.join(outcome.run_ids)}", highlight=False)


def print_sum(outcome: ForecastOutcome) -> None:
    """How good the plan was, of what was run."""
    ran = [(one.planned.requests, one.actual.requests) for one in outcome.reads if one.actual]
    planned, used = (sum(numbers) for numbers in zip(*ran, strict=True)) if ran else (0, 0)
    off = f" ({(used - planned) / used:+.0%})" if used else ""
    stdout.print(
        f"Of {len(outcome.reads):,} reads {len(ran):,} were run: {planned:,} requests were planned for them, "
        f"{used:,} used{off}.",
        highlight=False,
    )


def outcome_document(outcome: ForecastOutcome) -> dict[str, object]:
    """The same for JSON."""
    return {
        "flow": outcome.forecast.flow,
        "forecast_id": outcome.forecast.forecast_id,
        "made_at": outcome.forecast.made_at,
        "run_ids": outcome.run_ids,
        "reads": [
            {
                "entity": one.planned.entity,
                "company": one.planned.company,
                "basis": one.planned.basis,
                "planned_rows": one.planned.rows,
                "rows": one.actual and one.actual.rows,
                "planned_requests": one.planned.requests,
                "requests": one.actual and one.actual.requests,
                "off": None if one.off is None else round(one.off, 3),
            }
            for one in outcome.reads
        ],
        "deliveries": [
            {
                "destination": one.planned.destination,
                "entity": one.planned.entity,
                "planned_calls": one.planned.calls,
                "calls": one.calls,
            }
            for one in outcome.deliveries
        ],
    }
