"""What became of a publication in Looker, for people."""

from ml_connector_dagster.cli.output import print_table, stdout
from ml_connector_dagster.sync.publish import Publication


def print_publication(flow: str, done: Publication) -> None:
    """What became of it."""
    stdout.print(
        f"{flow}: sync {done.sync_id}, freshness {done.proof.value}, datagroup {done.datagroup_id}",
        markup=False,
    )
    if done.plans:
        print_table(
            "Plans",
            ["plan", "name", "state", "run", "note"],
            [[one.plan_id, one.name, one.state.value, one.run_id, one.error] for one in done.plans],
        )
    print_table(
        "Calls to Looker",
        ["calls", "month", "made", "allowed"],
        [[one.kind.value, one.month, one.used, one.limit] for one in done.quota],
    )
