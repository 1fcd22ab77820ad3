"""An EXPORTMI select as a route: its chains (divisions, values, spans of days)."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from itertools import product

from ml_connector_dagster.cloudsuite.catalog.routes import ExportRoute
from ml_connector_dagster.cloudsuite.pages import Page, Slice
from ml_connector_dagster.cloudsuite.product_lines.lines import OtherCount
from ml_connector_dagster.cloudsuite.product_lines.m3.chains import Span, cut, span_of
from ml_connector_dagster.cloudsuite.product_lines.m3.export_reckonings import (
    ExportChain,
    ExportReckoner,
)
from ml_connector_dagster.cloudsuite.product_lines.m3.exports import ExportReader
from ml_connector_dagster.cloudsuite.product_lines.m3.selects import TableColumns
from ml_connector_dagster.cloudsuite.product_lines.m3.table_counts import columns_of
from ml_connector_dagster.cloudsuite.product_lines.m3.tenant import M3Tenant
from ml_connector_dagster.cloudsuite.reckonings import Reckoned
from ml_connector_dagster.model.windows import Window


class ExportRouteReader:
    """``RouteReader`` of one export route of one entity, for every company."""

    def __init__(self, tenant: M3Tenant, entity: str, name: str, route: ExportRoute) -> None:
        self._tenant = tenant
        self._entity = entity
        self._name = name
        self._route = route
        self._catalog = tenant.catalog.entities[entity]

    @property
    def label(self) -> str:
        return self._route.label

    def check(self, company: str) -> None:
        """As the probe finds."""
        self._tenant.check(self._entity, company, self._route)

    def reads_whole(self, company: str) -> bool:
        stamp = self._catalog.modified
        return stamp is None or not self._columns(company)[self._route.table].has(stamp)

    def empty_columns(self, company: str) -> tuple[str, ...]:
        """Those of fields that neither the table nor a lookup has."""
        route, columns = self._route, self._columns(company)
        looked_up = {name: one.table for one in route.lookups for name in one.fields}
        return tuple(
            column
            for column, spec in self._catalog.all_fields.items()
            if not columns[looked_up.get(spec.source, route.table)].has(
                route.names.get(spec.source, spec.source)
            )
        )

    def chains(self, company: str, window: Window) -> Iterator[Mapping[str, str]]:
        """One per division, per combination of values, per span of days, and per table that can change a row."""
        self._tenant.api.begin()
        route, local = self._route, self._tenant.local(window)
        loops = {name: values for name, values in route.where.items() if len(values) > 1}
        also = [one.table for one in route.lookups if one.also_changed] if local.start else []
        spans = cut(span_of(local), route.slices)
        for division in self._tenant.division_arguments(route, company):
            for values in product(*loops.values()):
                for span in spans:
                    ends = {} if span.first is None else {"from": span.first.isoformat()}
                    for by in [None, *also]:
                        yield {
                            **division,
                            **dict(zip(loops, values, strict=True)),
                            **ends,
                            "to": span.last.isoformat(),
                            **({} if by is None else {"by": by}),
                        }

    def pages(self, chain: Slice, position: str | None) -> Iterator[Page]:
        """The pages of one chain."""
        arguments = dict(chain.arguments)
        yield from self._reader(chain.company).pages(arguments, _span(arguments), position)

    @property
    def setup_requests(self) -> int:
        """The divisions of the company."""
        return int(self._route.per_division)

    def reckon(self, chains: Sequence[Slice], other: OtherCount) -> Reckoned:
        """By keys and change dates of the rows of all chains, one request per table."""
        reckoner = ExportReckoner(
            api=self._tenant.api,
            reader=self._reader(chains[0].company),
            ask=partial(columns_of, self._tenant),
            other=other,
        )
        arguments = [dict(chain.arguments) for chain in chains]
        ours = [{name: one[name] for name in one if name != "route"} for one in arguments]
        return reckoner.reckon(
            [
                ExportChain(
                    arguments={n: v for n, v in one.items() if n not in ("from", "to")}
                    | {"days": f"{one.get('from', '')}..{one['to']}"},
                    span=_span(one),
                )
                for one in ours
            ]
        )

    def _reader(self, company: str) -> ExportReader:
        tenant = self._tenant
        return tenant.learned.once(
            f"reader/{company}/{self._entity}/{self._name}",
            lambda: ExportReader(
                tenant.api,
                tenant.selects,
                self._route,
                self._catalog.all_fields,
                modified=self._catalog.modified,
                columns=self._columns(company),
                company=company,
                company_condition=tenant.catalog.company_condition,
                reply_length=tenant.catalog.reply_length,
                page_rows=tenant.page_rows,
            ),
        )

    def _columns(self, company: str) -> dict[str, TableColumns]:
        route = self._route
        tables = [(route.table, route.prefix), *((one.table, one.prefix) for one in route.lookups)]
        return {
            table: self._tenant.repository.columns(table, prefix, company)
            for table, prefix in tables
        }


def _span(arguments: Mapping[str, str]) -> Span:
    first = arguments.get("from")
    return Span(
        first=None if first is None else date.fromisoformat(first),
        last=date.fromisoformat(arguments["to"]),
    )
