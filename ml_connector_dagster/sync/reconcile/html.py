"""The report as one HTML page that needs nothing else: to print, to file, to send to an auditor."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from html import escape
from typing import Final

from ml_connector_dagster.model.reconciliations import Difference, Group
from ml_connector_dagster.sync.reconcile.ledger_proof import LedgerProof
from ml_connector_dagster.sync.reconcile.report import (
    STANDINGS,
    STATES,
    Report,
    amount,
    compared,
    groups_shown,
    period_of,
    sides,
    signed,
    worst_first,
)
from ml_connector_dagster.sync.reconcile.results import Comparison


#: Differences that the page lists of one entity and company.
LISTED: Final = 500

#: Periods that a plot shows: the latest ones.
PLOTTED: Final = 24

_STYLE: Final = """
:root { color-scheme: light; --ink: #1c2430; --dim: #667085; --line: #e3e7ee; --good: #1a7f4b; --bad: #c0271d; --way: #9a6700; }
* { box-sizing: border-box; }
body { font: 14px/1.45 system-ui, -apple-system, "Segoe UI", sans-serif; color: var(--ink); margin: 0 auto; max-width: 1180px; padding: 32px 24px 64px; }
h1 { font-size: 22px; margin: 0 0 4px; } h2 { font-size: 17px; margin: 36px 0 8px; } h3 { font-size: 14px; margin: 20px 0 6px; }
p { margin: 4px 0; } .dim { color: var(--dim); }
.verdict { border-left: 5px solid var(--good); background: #f1f9f4; padding: 12px 16px; font-size: 16px; font-weight: 600; margin: 16px 0; }
.verdict.bad { border-color: var(--bad); background: #fdf2f1; }
table { border-collapse: collapse; width: 100%; margin: 6px 0 10px; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; color: var(--dim); border-bottom: 2px solid var(--line); padding: 5px 8px; font-size: 12px; }
td { border-bottom: 1px solid var(--line); padding: 4px 8px; vertical-align: top; }
td:first-child { white-space: nowrap; } .n { text-align: right; white-space: nowrap; } tr.off td { background: #fdf2f1; }
.tag { display: inline-block; padding: 0 8px; border-radius: 9px; font-size: 12px; font-weight: 600; white-space: nowrap; }
.clean { color: var(--good); background: #e6f4ec; } .in_flight, .waiting { color: var(--way); background: #fff6e0; }
.different, .failed, .wrong { color: #fff; background: var(--bad); }
.key { font-family: ui-monospace, Menlo, Consolas, monospace; font-size: 12px; overflow-wrap: anywhere; white-space: normal;
  display: inline-block; width: max-content; max-width: 44ch; }
details { border: 1px solid var(--line); border-radius: 6px; padding: 8px 14px; margin: 8px 0; } summary { cursor: pointer; font-weight: 600; }
svg { display: block; margin: 8px 0; } svg text { font-size: 10px; fill: var(--dim); }
@media print { details { border: 0; padding: 0; } body { padding: 0; } }
"""


def html(report: Report) -> str:
    """The whole page."""
    bad = " bad" if report.wrong or not report.comparisons else ""
    body = [
        f"<h1>Reconciliation of {escape(report.flow)}</h1>",
        f'<p class="dim">ERP {escape(report.tenant)} against {escape(_places(report))}, '
        f"{report.moment(report.made_at)} ({escape(report.zone.key)}). Compared: {escape(report.scope or 'nothing')}. Cost: {report.requests:,} requests to the ERP, "
        f"which allows {report.budget:,} a minute.</p>",
        f'<div class="verdict{bad}">{escape(report.verdict)}.</div>',
    ]
    for name, some in report.by_destination():
        body += [f"<h2>{escape(name)}</h2>", _summary(report, some)]
        body += [_details(report, one) for one in worst_first(some)]
    body.append(
        '<p class="dim">Both sides were asked for this report. <b>Under way</b>: the next read, delivery or key sweep '
        "brings it. <b>Refused</b>: the destination gave a reason; replay it when that is mended. <b>Wrong</b>: nothing "
        "that is under way will heal it. Sums are exact; those of lines and balances stand in the currency of their "
        "order, invoice or division.</p>"
    )
    title = escape(f"Reconciliation of {report.flow}: {report.verdict}")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body>{''.join(body)}</body></html>\n"
    )


def _places(report: Report) -> str:
    return ", ".join(name for name, _ in report.by_destination()) or "no destination"


def _summary(report: Report, some: Sequence[Comparison]) -> str:
    rows = [
        [
            escape(one.done.entity),
            escape(one.done.company),
            _number(one.done.erp_rows),
            _number(one.done.found_rows),
            signed(one.done.found_rows - one.done.erp_rows),
            _number(one.done.in_flight),
            _number(one.done.waiting),
            _number(one.done.wrong),
            _state(one),
            report.moment(one.last_clean_at),
            _number(one.done.requests),
        ]
        for one in some
    ]
    return _table(
        [
            "entity",
            "company",
            "#ERP",
            "#destination",
            "#difference",
            "#under way",
            "#refused",
            "#wrong",
            "result",
            "last agreed in full",
            "#requests",
        ],
        rows,
        off=[one.is_wrong for one in some],
    )


def _state(one: Comparison) -> str:
    return f'<span class="tag {one.done.state.value}">{STATES[one.done.state]}</span>'


def _details(report: Report, one: Comparison) -> str:
    done = one.done
    opened = " open" if one.is_wrong else ""
    parts = [
        f"<details{opened}><summary>{escape(done.entity)}, company {escape(done.company)} {_state(one)}</summary>",
        f'<p class="dim">Compared: {escape(compared(one, report.zone))}.</p>',
    ]
    if done.reason:
        parts.append(f"<p>{escape(done.reason)}</p>")
    if one.unreadable:
        parts.append(
            f"<p>{one.unreadable:,} records of the ERP have no readable key; they are dead letters.</p>"
        )
    if one.differences:
        parts += ["<h3>Records that differ</h3>", _differences(report, one)]
    if one.groups:
        parts += ["<h3>Totals</h3>", *_plots(one), _totals(one)]
    if one.proof is not None:
        parts += ["<h3>Movements and balances</h3>", *_proof(one.proof)]
    return "".join([*parts, "</details>"])


def _differences(report: Report, one: Comparison) -> str:
    listed = one.differences[:LISTED]
    done = one.done
    table = _table(
        ["record", "what", "standing", "why", "ERP", "destination", "since"],
        [_difference(report, some) for some in listed],
    )
    more = done.wrong + done.waiting + done.in_flight - len(listed)
    return table + (f'<p class="dim">{more:,} more are not listed.</p>' if more > 0 else "")


def _difference(report: Report, one: Difference) -> list[str]:
    seen = one.first_seen_at
    return [
        f'<span class="key">{escape(one.record_id)}</span>',
        one.finding.value,
        f'<span class="tag {one.standing.value}">{STANDINGS[one.standing]}</span>',
        escape(one.why),
        *(escape(side) for side in sides(one)),
        "now" if seen is None else report.moment(seen),
    ]


def _totals(one: Comparison) -> str:
    headers = ["period", "currency", "#ERP records", "#destination records"]
    for name in one.amounts:
        headers += [f"#ERP {name}", f"#destination {name}", "#difference"]
    rows, off = [], []
    for group in groups_shown(one):
        cells = [period_of(one, group) or "all", escape(group.currency) or "-"]
        cells += [_number(group.erp.rows), _number(group.found.rows)]
        for erp, found in zip(group.erp.sums, group.found.sums, strict=True):
            cells += [amount(erp), amount(found), amount(found - erp) if found != erp else ""]
        rows.append(cells)
        off.append(group.differs)
    return _table(headers, rows, off=off)


def _plots(one: Comparison) -> Iterator[str]:
    """The first total by period, a plot for each currency; only where there is a course of time to see."""
    if not one.amounts:
        return
    for currency in dict.fromkeys(group.currency for group in one.groups):
        groups = [group for group in one.groups if group.currency == currency and group.period]
        if len(groups) > 1:
            yield _plot(one, currency, groups[-PLOTTED:])


def _plot(one: Comparison, currency: str, groups: Sequence[Group]) -> str:
    height, step = 90, 42
    top = max(max(abs(group.erp.sums[0]), abs(group.found.sums[0])) for group in groups)
    title = f"{one.amounts[0]} {currency}".strip()

    def bar(x: int, value: Decimal, colour: str) -> str:
        size = int(abs(value) / top * height) if top else 0
        return (
            f'<rect x="{x}" y="{14 + height - size}" width="14" height="{size}" fill="{colour}"/>'
        )

    drawn = [
        f'<text x="0" y="10">{escape(title)}: ERP (grey), destination (green; red where it differs)</text>'
    ]
    for number, group in enumerate(groups):
        x = number * step
        own = "#c0271d" if group.differs else "#37a169"
        drawn += [bar(x, group.erp.sums[0], "#aab4c3"), bar(x + 15, group.found.sums[0], own)]
        drawn.append(f'<text x="{x}" y="{height + 26}">{period_of(one, group)[2:]}</text>')
    width = max(len(groups) * step, 360)
    return f'<svg width="{width}" height="{height + 32}" role="img">{"".join(drawn)}</svg>'


def _proof(proof: LedgerProof) -> Iterator[str]:
    """Debits and credits by period, then the accounts whose balance differs."""
    if proof.with_mart:
        told = "opening + movement = closing holds for every balance that the destination shows"
        yield f"<p>{escape(proof.problems[0]) if proof.problems else told}.</p>"
    if proof.unbalanced:
        yield f"<p>In the ERP itself, {proof.unbalanced:,} period(s) have other debits than credits.</p>"
    yield _table(
        [
            "books",
            "period",
            "#accounts",
            "#ERP debit",
            "#ERP credit",
            "#destination debit",
            "#destination credit",
            "#balances off",
        ],
        [
            [
                escape(one.book),
                f"{one.year}-{one.period:02d}",
                _number(one.accounts),
                amount(one.erp_debit),
                amount(one.erp_credit),
                amount(one.found_debit),
                amount(one.found_credit),
                _number(one.off),
            ]
            for one in proof.periods
        ],
        off=[bool(one.off) for one in proof.periods],
    )
    if proof.accounts:
        yield _table(
            [
                "division",
                "account",
                "period",
                "#opening",
                "#movement",
                "#closing (ERP)",
                "#closing (destination)",
                "#shown by the mart",
            ],
            [
                [
                    escape(one.division),
                    escape(one.account_id),
                    f"{one.year}-{one.period:02d}",
                    amount(one.opening),
                    amount(one.movement),
                    amount(one.closing),
                    amount(one.found),
                    "" if one.shown is None else amount(one.shown),
                ]
                for one in proof.accounts
            ],
        )


def _number(value: int) -> str:
    return f"{value:,}"


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]], off: Sequence[bool] = ()) -> str:
    """Cells are HTML. ``#`` before a header: its column holds numbers. ``off``: which rows are marked."""
    numeric = [name.startswith("#") for name in headers]

    def cell(tag: str, text: str, number: bool) -> str:
        return f'<{tag} class="n">{text}</{tag}>' if number else f"<{tag}>{text}</{tag}>"

    head = "".join(
        cell("th", escape(name.lstrip("#")), number)
        for name, number in zip(headers, numeric, strict=True)
    )
    lines = []
    for index, row in enumerate(rows):
        marked = ' class="off"' if index < len(off) and off[index] else ""
        cells = "".join(cell("td", text, number) for text, number in zip(row, numeric, strict=True))
        lines.append(f"<tr{marked}>{cells}</tr>")
    return f"<table><tr>{head}</tr>{''.join(lines)}</table>"
