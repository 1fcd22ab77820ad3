"""Asset checks: what a destination holds, asked of the destination itself."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal
from zoneinfo import ZoneInfo

import dagster as dg

from ml_connector_dagster.config.project import Flow, FlowDestination
from ml_connector_dagster.defs.failures import RETRIES, Problem, failure
from ml_connector_dagster.defs.letters import letters_table
from ml_connector_dagster.defs.metadata import table
from ml_connector_dagster.defs.names import REPLAY_JOB, WORKSPACE
from ml_connector_dagster.defs.partitions import companies_of_run
from ml_connector_dagster.defs.sweeps import RECENTLY_SWEPT, recently_swept
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.receipts import DeadLetter
from ml_connector_dagster.sync.replay import choose_letters
from ml_connector_dagster.sync.verify import Verification, verify_delivery
from ml_connector_dagster.sync.workspace import Workspace


ROW_COUNT = "row_count"
UNIQUE_KEYS = "unique_keys"
LINES_HAVE_HEADERS = "lines_have_headers"
NO_DEAD_LETTERS = "no_dead_letters"


def delivery_checks(
    key: dg.AssetKey, flow: Flow, target: FlowDestination, entity: str, zone: ZoneInfo
) -> dg.AssetChecksDefinition:
    """The checks of one delivered entity, in one step: they share one look at the destination.

    They look at the companies of their run, or at all when started by hand: another company may be in the middle
    of its own delivery. ``zone``: the tenant's.
    """
    definition = ENTITIES[entity]
    specs = [
        dg.AssetCheckSpec(
            ROW_COUNT,
            asset=key,
            blocking=True,
            description="The destination holds as many records as were ever accepted, those marked deleted or "
            "archived included. Also shows the control totals.",
        ),
        dg.AssetCheckSpec(
            UNIQUE_KEYS, asset=key, description="No record_id occurs more than once."
        ),
        dg.AssetCheckSpec(
            NO_DEAD_LETTERS,
            asset=key,
            description="No record is waiting to be replayed, neither unreadable in the ERP's answer nor refused "
            f"by the destination. Replay them with the job {REPLAY_JOB}.",
        ),
    ]
    if definition.parent is not None:
        specs.append(
            dg.AssetCheckSpec(
                LINES_HAVE_HEADERS,
                asset=key,
                description=f"Every row has its row in {definition.parent.entity}. A header may arrive later than "
                "its lines, so this only warns.",
            )
        )
    if flow.sweep.schedule is not None:
        specs.append(
            dg.AssetCheckSpec(
                RECENTLY_SWEPT,
                asset=key,
                description="Somebody has looked for records that the ERP deleted, lately enough. Shows when, for each "
                f"company, and what was missed. Sweep now with the job sweep_{flow.name}.",
            )
        )

    @dg.multi_asset_check(
        name="_".join(["check", *key.path]),
        specs=specs,
        can_subset=True,  # a person may run one of them from its page
        required_resource_keys={WORKSPACE},
        retry_policy=RETRIES,
    )
    def check(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        workspace = context.resources.workspace.current
        companies = companies_of_run(context.run.tags, flow.companies)
        try:
            verification = verify_delivery(
                workspace,
                flow,
                target,
                entity=entity,
                companies=companies,
                run_id=context.run.run_id,
            )
            letters = _open_letters(workspace, flow, target, entity)
            swept = recently_swept(
                workspace, flow, key, entity=entity, companies=companies, zone=zone
            )
        except Exception as error:
            problem = Problem(subject=f"destination {target.name}", error=error)
            raise failure(f"{definition.label} could not be checked", [problem]) from None
        results = [
            _row_count(key, verification),
            _unique_keys(key, verification),
            _dead_letters(key, flow, letters),
            *([_headers(key, verification)] if definition.parent is not None else []),
            swept,
        ]
        wanted = {one.name for one in context.selected_asset_check_keys}
        yield from (one for one in results if one.check_name in wanted)

    return check


def _row_count(key: dg.AssetKey, seen: Verification) -> dg.AssetCheckResult:
    totals = sorted({name for one in seen.companies for name in one.found.control_totals})
    rows = [
        [
            one.company,
            one.expected_rows,
            one.held,
            one.held - one.expected_rows,
            one.found.deleted,
            *(one.found.control_totals.get(name) for name in totals),
        ]
        for one in seen.companies
    ]
    metadata: dict[str, Any] = {
        "rows_expected": sum(one.expected_rows for one in seen.companies),
        "rows_found": sum(one.held for one in seen.companies),
        "companies": table(
            ["company", "accepted", "found", "difference", "marked deleted", *totals], rows
        ),
    }
    if notes := _lines(seen, "note"):
        metadata["what_happened"] = notes
    if advice := _lines(seen, "advice"):
        metadata["what_to_do"] = advice
    for name in totals:
        # Shown exactly; a float beside it, because only numbers are plotted.
        total = sum(one.found.control_totals.get(name, 0) for one in seen.companies)
        metadata[f"total_{name}"] = float(total)
        metadata[f"total_{name}_exact"] = str(total)
    return _result(
        key,
        ROW_COUNT,
        passed=all(one.held == one.expected_rows for one in seen.companies),
        severity=dg.AssetCheckSeverity.ERROR,
        metadata=metadata,
    )


def _lines(seen: Verification, what: Literal["note", "advice"]) -> dg.MarkdownMetadataValue | None:
    """What is to be said of each company; None when nothing is."""
    told = [(one.company, one.note if what == "note" else one.advice) for one in seen.companies]
    lines = [f"- company {company}: {text}" for company, text in told if text]
    return dg.MetadataValue.md("\n".join(lines)) if lines else None


def _unique_keys(key: dg.AssetKey, seen: Verification) -> dg.AssetCheckResult:
    doubled = sum(one.found.duplicates for one in seen.companies)
    return _result(
        key,
        UNIQUE_KEYS,
        passed=doubled == 0,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"doubled": doubled, "rows": sum(one.found.rows for one in seen.companies)},
    )


def _headers(key: dg.AssetKey, seen: Verification) -> dg.AssetCheckResult:
    known = [one.found.orphans for one in seen.companies if one.found.orphans is not None]
    metadata: dict[str, Any] = {"without_header": sum(known)}
    if len(known) < len(seen.companies):
        metadata["note"] = "The headers' table is not there yet for some companies: not looked at."
    return _result(
        key,
        LINES_HAVE_HEADERS,
        passed=sum(known) == 0,
        severity=dg.AssetCheckSeverity.WARN,
        metadata=metadata,
    )


def _dead_letters(
    key: dg.AssetKey, flow: Flow, letters: tuple[DeadLetter, ...]
) -> dg.AssetCheckResult:
    given_up = {letter.id for letter in letters if flow.replay.gives_up(letter)}
    return _result(
        key,
        NO_DEAD_LETTERS,
        passed=not letters,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "open": len(letters),
            **({"letters": letters_table(letters[:20], given_up)} if letters else {}),
        },
    )


def _open_letters(
    workspace: Workspace, flow: Flow, target: FlowDestination, entity: str
) -> tuple[DeadLetter, ...]:
    letters = choose_letters(workspace, flow, entity=entity)
    return tuple(one for one in letters if one.destination in ("", target.name))


def _result(
    key: dg.AssetKey,
    name: str,
    *,
    passed: bool,
    severity: dg.AssetCheckSeverity,
    metadata: Mapping[str, Any],
) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=key, check_name=name, passed=passed, severity=severity, metadata=metadata
    )
