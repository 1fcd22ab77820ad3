"""``ml-connector reconcile``: prove that destinations hold what the ERP has, or list what differs."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from ml_connector_dagster.cli.output import print_json, print_table, stderr, stdout
from ml_connector_dagster.cli.repairs import announce, as_json_of, print_repairs
from ml_connector_dagster.cli.run import find_flow
from ml_connector_dagster.config.project import Flow
from ml_connector_dagster.config.settings import read_settings
from ml_connector_dagster.model.controls import read_period
from ml_connector_dagster.model.reconciliations import ReconciliationState, Standing
from ml_connector_dagster.sync.ids import new_id
from ml_connector_dagster.sync.reconcile.html import html
from ml_connector_dagster.sync.reconcile.markdown import markdown
from ml_connector_dagster.sync.reconcile.repairing import (
    Repair,
    mend,
    unfinished_records,
)
from ml_connector_dagster.sync.reconcile.report import (
    STANDINGS,
    STATES,
    Report,
    amount,
    period_of,
    sides,
)
from ml_connector_dagster.sync.reconcile.results import Comparison, Request
from ml_connector_dagster.sync.reconcile.run import reconcile_flow
from ml_connector_dagster.sync.workspace import Workspace


#: Differences that are printed of each table; the report has more.
PRINTED = 20


def reconcile(
    flow: Annotated[str, typer.Argument(help="The flow whose destinations are compared.")],
    destination: Annotated[
        list[str] | None, typer.Option(help="Only this destination, like warehouse.erp. Repeat it.")
    ] = None,
    entity: Annotated[list[str] | None, typer.Option(help="Only this entity. Repeat it.")] = None,
    company: Annotated[list[str] | None, typer.Option(help="Only this company. Repeat it.")] = None,
    since: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Only what the ERP changed from this day on."),
    ] = None,
    period: Annotated[
        str, typer.Option(help="Only this month or fiscal period, like 2026-10; or a year.")
    ] = "",
    report: Annotated[
        Path | None,
        typer.Option(help="Write the report there: .html for a page, .md for Markdown."),
    ] = None,
    fail_on_difference: Annotated[
        bool, typer.Option("--fail-on-difference", help="Exit code 1 when a table differs.")
    ] = False,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Put the ERP's values back where they were changed, removed or marked; then compare again.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare counts and control totals with the ERP; exit code 1 when something could not be compared or repaired."""
    number = _period(period)
    if report is not None and report.suffix not in (".html", ".md"):
        raise typer.BadParameter("--report takes a file that ends in .html or .md")
    if report is not None and not report.absolute().parent.is_dir():
        raise typer.BadParameter(f"--report {report}: there is no folder {report.parent}")
    with Workspace.open(read_settings()) as workspace:
        chosen = find_flow(workspace.project, flow)
        connection = workspace.cloudsuite(chosen.source)
        request = Request(
            run_id=f"cli-{new_id(workspace.now())}",
            destinations=destination or (),
            entities=entity or (),
            companies=company or (),
            since=None if since is None else since.replace(tzinfo=connection.zone).astimezone(UTC),
            period=number,
        )
        repairs: tuple[Repair, ...] = ()
        with stderr.status("Reading the ERP ...") as status:

            def tell(name: str, which: str, rows: int) -> None:
                status.update(f"Comparing {name} {which} ...")

            found = reconcile_flow(workspace, chosen, request, on_page=tell)
            if repair:
                if not as_json:
                    _print(_report(workspace, chosen, found))
                    announce(found, unfinished_records(workspace, found))
                status.update("Putting back what was changed ...")
                mended = mend(workspace, chosen, request, found, on_page=tell)
                found, repairs = mended.comparisons, mended.repairs
        told = _report(workspace, chosen, found)
    if report is not None:
        text = html(told) if report.suffix == ".html" else markdown(told)
        report.write_text(text, encoding="utf-8")
    if as_json:
        print_json([_as_json(one) | as_json_of(one, repairs) for one in found])
    else:
        print_repairs(repairs, flow)
        if repairs or not repair:
            _print(told)
        if report is not None:
            stdout.print(f"The report is in {report}.", markup=False, soft_wrap=True)
    failed = any(one.done.state is ReconciliationState.FAILED for one in found)
    if failed or any(one.error for one in repairs) or (fail_on_difference and told.wrong):
        raise typer.Exit(1)


def _report(workspace: Workspace, flow: Flow, found: tuple[Comparison, ...]) -> Report:
    connection = workspace.cloudsuite(flow.source)
    return Report(
        flow=flow.name,
        tenant=flow.source,
        made_at=workspace.now(),
        zone=connection.zone,
        budget=connection.requests_per_minute,
        comparisons=found,
    )


def _period(text: str) -> int:
    try:
        return read_period(text) if text else 0
    except ValueError:
        raise typer.BadParameter(f"--period {text!r} is no period; write it like 2026-10") from None


def _print(report: Report) -> None:
    for name, some in report.by_destination():
        print_table(
            f"{name}: the ERP and what is there",
            [
                "entity",
                "company",
                "ERP",
                "there",
                "under way",
                "refused",
                "wrong",
                "result",
                "last agreed",
                "requests",
            ],
            [
                [
                    one.done.entity,
                    one.done.company,
                    one.done.erp_rows,
                    one.done.found_rows,
                    one.done.in_flight,
                    one.done.waiting,
                    one.done.wrong,
                    STATES[one.done.state],
                    report.moment(one.last_clean_at),
                    one.done.requests,
                ]
                for one in some
            ],
        )
        for one in some:
            _print_details(one)
    stdout.print(
        f"{report.verdict}. {report.requests:,} requests of {report.budget:,} a minute.",
        markup=False,
    )


def _print_details(one: Comparison) -> None:
    """What is wrong in full; of what is under way, how much."""
    where = f"{one.done.entity} {one.done.company}"
    told = [one.done.reason] if one.done.reason else []
    if one.is_wrong:
        told += _totals(one)
    listed = [each for each in one.differences if each.standing is not Standing.IN_FLIGHT]
    told += [
        f"{each.record_id}: {each.finding.value}, {STANDINGS[each.standing]}: {each.why}. "
        "ERP: {}; there: {}".format(*sides(each))
        for each in listed[:PRINTED]
    ]
    if len(listed) > PRINTED:
        told.append(f"{len(listed) - PRINTED:,} more; see --report")
    under_way = Counter(each.why for each in one.differences if each.standing is Standing.IN_FLIGHT)
    told += [f"{number:,} under way: {why}" for why, number in under_way.items()]
    for line in told:
        stdout.print(f"- {where}: {line}", markup=False)


def _totals(one: Comparison) -> Iterator[str]:
    for group in one.groups:
        label = " ".join(part for part in (period_of(one, group), group.currency) if part)
        for name, erp, found in zip(one.amounts, group.erp.sums, group.found.sums, strict=True):
            if erp != found:
                yield (
                    f"{label} {name}: ERP {amount(erp)}, there {amount(found)}, "
                    f"difference {amount(found - erp)}"
                )


def _as_json(one: Comparison) -> dict[str, Any]:
    done = one.done
    return {
        "destination": done.destination,
        "entity": done.entity,
        "company": done.company,
        "state": done.state,
        "erp_rows": done.erp_rows,
        "found_rows": done.found_rows,
        "in_flight": done.in_flight,
        "waiting": done.waiting,
        "wrong": done.wrong,
        "requests": done.requests,
        "reason": done.reason,
        "last_agreed": one.last_clean_at,
        "groups": [
            {
                "period": period_of(one, group),
                "currency": group.currency,
                "erp": _side(one, group.erp.rows, group.erp.sums),
                "found": _side(one, group.found.rows, group.found.sums),
            }
            for group in one.groups
        ],
        "differences": [
            {
                "record_id": each.record_id,
                "finding": each.finding,
                "standing": each.standing,
                "why": each.why,
                "erp": dict(each.erp),
                "found": dict(each.found),
                "first_seen_at": each.first_seen_at or done.started_at,
            }
            for each in one.differences
        ],
        "proof": [] if one.proof is None else list(one.proof.problems),
    }


def _side(one: Comparison, rows: int, sums: Any) -> dict[str, Any]:
    return {"rows": rows, **dict(zip(one.amounts, sums, strict=True))}
