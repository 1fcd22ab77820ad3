"""The report as Markdown: for a ticket, a mail, and the pages of Dagster."""

from collections.abc import Iterator, Sequence

from ml_connector_dagster.model.reconciliations import Difference
from ml_connector_dagster.sync.reconcile.report import (
    STANDINGS,
    STATES,
    Report,
    amount,
    compared,
    differing,
    period_of,
    sides,
    signed,
)
from ml_connector_dagster.sync.reconcile.results import Comparison


#: Differences and groups that one table of Markdown lists.
LISTED = 50


def markdown(report: Report) -> str:
    """The whole report."""
    parts = [f"# Reconciliation of {report.flow}", f"**{report.verdict}.**", _facts(report)]
    for name, some in report.by_destination():
        parts += [f"## {name}", summary_table(report, some)]
        for one in some:
            if one.done.state.value != "clean" or one.is_wrong:
                parts += [
                    f"### {one.done.entity}, company {one.done.company}",
                    *details(report, one),
                ]
    return "\n\n".join(parts) + "\n"


def _facts(report: Report) -> str:
    return (
        f"ERP {report.tenant}, {report.moment(report.made_at)} ({report.zone.key}). "
        f"{report.requests:,} requests of {report.budget:,} a minute."
    )


def summary_table(report: Report, some: Sequence[Comparison]) -> str:
    """One line for each entity and company."""
    return lines(
        [
            "entity",
            "company",
            "ERP",
            "destination",
            "difference",
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
                f"{one.done.erp_rows:,}",
                f"{one.done.found_rows:,}",
                signed(one.done.found_rows - one.done.erp_rows),
                f"{one.done.in_flight:,}",
                f"{one.done.waiting:,}",
                f"{one.done.wrong:,}",
                f"**{STATES[one.done.state]}**" if one.is_wrong else STATES[one.done.state],
                report.moment(one.last_clean_at),
                f"{one.done.requests:,}",
            ]
            for one in some
        ],
    )


def details(report: Report, one: Comparison) -> Iterator[str]:
    """What differs of one comparison: totals, then records."""
    if one.done.reason:
        yield one.done.reason
    groups = differing(one)
    if groups:
        yield totals_table(one)
    if one.differences:
        yield differences_table(one.differences)
        more = one.done.wrong + one.done.waiting + one.done.in_flight - len(one.differences)
        hidden = more + max(0, len(one.differences) - LISTED)
        if hidden:
            yield f"{hidden:,} more are not listed here."
    if (part := compared(one, report.zone)) != "everything":
        yield f"Compared: only {part}."


def totals_table(one: Comparison) -> str:
    """The periods and currencies that differ, side by side."""
    rows = []
    for group in differing(one)[:LISTED]:
        start = [period_of(one, group), group.currency]
        rows.append(
            [
                *start,
                "records",
                f"{group.erp.rows:,}",
                f"{group.found.rows:,}",
                signed(group.found.rows - group.erp.rows),
            ]
        )
        for name, erp, found in zip(one.amounts, group.erp.sums, group.found.sums, strict=True):
            rows.append([*start, name, amount(erp), amount(found), amount(found - erp)])
    return lines(["period", "currency", "total", "ERP", "destination", "difference"], rows)


def differences_table(differences: Sequence[Difference]) -> str:
    """The records that differ."""
    return lines(
        ["record", "what", "ERP", "destination"],
        [
            [
                one.record_id,
                f"{one.finding.value}, **{STANDINGS[one.standing]}**: {one.why}",
                *sides(one),
            ]
            for one in differences[:LISTED]
        ],
    )


def lines(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of Markdown; a ``|`` inside a cell does not end it."""
    table = [headers, ["---"] * len(headers), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "¦").replace("\n", " ") for cell in row) + " |"
        for row in table
    )
