"""The verdict as tables: what was injected, what of it was survived, what every destination holds."""

from collections import Counter

from rich.console import Console
from rich.table import Table

from ml_connector_dagster_tests.chaos.campaign import Verdict


def show(verdict: Verdict, console: Console) -> None:
    console.print(_injections(verdict))
    console.print(_faults(verdict))
    console.print(_comparison(verdict))
    for one in verdict.compared:
        for example in one.examples:
            console.print(f"{one.destination} {one.entity}: {example}", markup=False)
    for leak in verdict.leaks:
        console.print(f"SECRET {leak.secret} ({leak.form}) in {leak.where}", markup=False)
    console.print(_summary(verdict), markup=False)


def _injections(verdict: Verdict) -> Table:
    table = Table("injected", "times", "of these without a target", title="What was done")
    times = Counter(one.name for one in verdict.injected)
    missed = Counter(one.name for one in verdict.injected if not one.hit)
    for name, count in sorted(times.items()):
        table.add_row(name, str(count), str(missed[name] or ""))
    for name, starts in verdict.starts.items():
        table.add_row(f"restarts of the {name}", str(starts - 1), "")
    return table


def _faults(verdict: Verdict) -> Table:
    kinds = sorted({kind for hits in verdict.hits.values() for kind in hits})
    table = Table("service", *kinds, title="Requests that ran into a fault of HTTP")
    for service, hits in verdict.hits.items():
        table.add_row(service, *(str(hits[kind] or "") for kind in kinds))
    return table


def _comparison(verdict: Verdict) -> Table:
    table = Table(
        "destination", "entity", "rows", "lost", "doubled", "differing",
        "history doubles", "audit doubles",
        title="Every destination against the ERP",
    )  # fmt: skip
    for one in verdict.compared:
        table.add_row(
            one.destination, one.entity, str(one.rows), str(one.lost), str(one.doubled),
            str(one.differing), str(one.history_doubles), str(one.audit_doubles),
            style="" if one.equal else "red",
        )  # fmt: skip
    return table


def _summary(verdict: Verdict) -> str:
    changes = ", ".join(f"{count} {what}" for what, count in sorted(verdict.changed.items()))
    runs = ", ".join(f"{count} {status}" for status, count in sorted(verdict.runs.items()))
    sweeps = ", ".join(f"{count} {what}" for what, count in sorted(verdict.sweeps.items()))
    rows = sum(one.rows for one in verdict.compared)
    lost = sum(one.lost for one in verdict.compared)
    doubled = sum(one.doubled + one.history_doubles + one.audit_doubles for one in verdict.compared)
    differing = sum(one.differing for one in verdict.compared)
    hit = sum(one.hit for one in verdict.injected)
    faults = sum(sum(hits.values()) for hits in verdict.hits.values())
    lines = [
        f"{verdict.seconds / 60:.1f} minutes of chaos: {hit} injections, {faults} requests spoilt.",
        f"Records in the ERP meanwhile: {changes or 'none changed'}.",
        f"Dagster runs: {runs}.",
        f"Key sweeps of an entity and company: {sweeps or 'none'}.",
        f"Settled after {verdict.settled_after:.0f} s."
        if not verdict.unsettled
        else f"DID NOT SETTLE within {verdict.settled_after:.0f} s: {verdict.unsettled}.",
        f"{rows} rows compared: {lost} lost, {doubled} doubled, {differing} differing.",
        f"Secrets found in logs, files and databases: {len(verdict.leaks)}.",
        "SURVIVED" if verdict.good else "NOT SURVIVED",
    ]
    return "\n".join(lines)
