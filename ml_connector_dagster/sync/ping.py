"""Is a system reachable, may we do what we need, and if not: what to do."""

from collections.abc import Iterator
from dataclasses import dataclass

from ml_connector_dagster.cloudsuite.pages import RouteReport
from ml_connector_dagster.config.applications import is_application
from ml_connector_dagster.config.cloudsuite import CloudSuiteConnection
from ml_connector_dagster.config.looker import LookerConnection
from ml_connector_dagster.destinations.applications.checks import mapping_problems
from ml_connector_dagster.destinations.contract import Scope
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.errors import ConfigError, ConnectorError
from ml_connector_dagster.sync.applications import mapped_entities, opened_application
from ml_connector_dagster.sync.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was checked. Where ``needed`` is False, a failure is worth knowing but does no harm."""

    connection: str
    check: str
    ok: bool
    detail: str
    needed: bool = True


def ping_connection(workspace: Workspace, name: str) -> tuple[Finding, ...]:
    """Check the connection called ``name``. Raises ConfigError when there is none of that name."""
    connection = workspace.project.connections.get(name)
    if connection is None:
        raise ConfigError(
            f"no connection {name!r}; configured are {', '.join(workspace.project.connections)}"
        )
    findings: list[Finding] = []
    try:
        if isinstance(connection, CloudSuiteConnection):
            findings.extend(_ping_source(workspace, name))
        elif isinstance(connection, LookerConnection):
            findings.extend(_ping_looker(workspace, name, connection.database))
        elif is_application(connection):
            findings.extend(_ping_application(workspace, name))
        else:
            findings.extend(_ping_destination(workspace, name))
    except ConnectorError as error:
        findings.append(Finding(connection=name, check="access", ok=False, detail=str(error)))
    return tuple(findings)


def _ping_source(workspace: Workspace, name: str) -> Iterator[Finding]:
    companies = dict.fromkeys(
        company
        for flow in workspace.project.flows.values()
        if flow.source == name
        for company in flow.companies
    )
    wanted = {
        entity
        for flow in workspace.project.flows.values()
        if flow.source == name
        for entity in flow.entities
    }
    with workspace.source(name) as source:
        for company in companies:
            reports = source.line.routes(company)
            yield Finding(
                connection=name,
                check=f"company {company}",
                ok=True,
                detail=f"signed in; {source.gateway.requests_made} requests so far",
            )
            for entity in (entity for entity in ENTITIES if entity in wanted):
                routes = [report for report in reports if report.entity == entity]
                chosen = next((report for report in routes if report.chosen), None)
                others = "; ".join(_otherwise(report) for report in routes if not report.chosen)
                yield Finding(
                    connection=name,
                    check=f"{company} {entity}",
                    ok=chosen is not None,
                    detail=others
                    if chosen is None
                    else _way(chosen) + (f" ({others})" if others else ""),
                )


def _ping_application(workspace: Workspace, name: str) -> Iterator[Finding]:
    """Signing in, the mappings against what is there, and what is left of the limits."""
    mapped = mapped_entities(workspace, name)
    with opened_application(workspace, name) as application:
        # Without a flow there is nothing to look at; asking for anything shows that we may come in.
        objects = sorted({one.placement.object for one in mapped}) or ["Account"]
        found = application.structure.describe(objects)
        if not mapped:
            yield Finding(
                connection=name, check="access", ok=True, detail="signed in; no flow delivers to it"
            )
        for one in mapped:
            facts = found.get(one.placement.object)
            problems = list(mapping_problems(one, facts))
            advice = f"; ml-connector setup {name} makes what is missing, or says how to"
            url = "" if facts is None or not facts.url else f" {facts.url}"
            yield Finding(
                connection=name,
                check=one.entity.name,
                ok=not problems,
                detail="; ".join(problems) + advice
                if problems
                else f"{one.placement.object}: {len(one.placement.shape.fields)} fields fit{url}",
            )
        usage = application.target.usage()
    for budget in usage.budgets:
        yield Finding(
            connection=name,
            check=budget.name,
            ok=budget.used < budget.ceiling,
            detail=str(budget),
        )


def _otherwise(report: RouteReport) -> str:
    if report.use:
        return f"{report.route} for {report.use}"
    return f"not {report.route}: {report.reason or 'not needed'}"


def _way(chosen: RouteReport) -> str:
    without = f", without {', '.join(chosen.empty)}" if chosen.empty else ""
    return f"by {chosen.route}{without}"


def _ping_looker(workspace: Workspace, name: str, database: str) -> Iterator[Finding]:
    """Signing in, what the flows name in Looker, SQL Runner where rows go through it, and the month's calls."""
    flows = workspace.project.flows.values()
    with workspace.looker(name) as looker:
        yield Finding(connection=name, check="login", ok=True, detail=f"as {looker.user()}")
        for wanted in (one.looker for one in flows if one.looker and one.looker.connection == name):
            group = looker.datagroup_id(wanted.model, wanted.datagroup)
            check = f"datagroup {wanted.datagroup}"
            yield Finding(connection=name, check=check, ok=True, detail=f"id {group}")
            for plan in wanted.plans:
                found = looker.plan(plan)
                yield Finding(connection=name, check=f"plan {plan}", ok=True, detail=found.name)
        if any(one.connection == name for flow in flows for one in flow.destinations):
            looker.run_sql(database, "SELECT 1 AS one")
            yield Finding(connection=name, check="SQL Runner", ok=True, detail="answers")
        for use in looker.quota.use():
            yield Finding(
                connection=name,
                check=f"{use.kind} calls of {use.month}",
                ok=use.used < use.limit,
                detail=f"{use.used:,} of {use.limit:,} made",
            )


def _ping_destination(workspace: Workspace, name: str) -> Iterator[Finding]:
    for flow in workspace.project.flows.values():
        for target in flow.destinations:
            if target.connection != name:
                continue
            with workspace.destination(target) as destination:
                for entity in flow.entities:
                    facts = destination.inspect(
                        ENTITIES[entity], Scope(tenant=flow.source, company=None)
                    )
                    yield Finding(
                        connection=name,
                        check=f"{target.schema_name}.{entity}",
                        ok=True,
                        detail=f"{facts.rows:,} rows",
                    )
