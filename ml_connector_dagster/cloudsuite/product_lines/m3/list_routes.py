"""A list transaction as a route: its chains (divisions, inputs, ranges of keys), and what each chain asks with."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise, product

from ml_connector_dagster.cloudsuite.catalog.routes import ListRoute
from ml_connector_dagster.cloudsuite.pages import Page, Slice
from ml_connector_dagster.cloudsuite.product_lines.lines import OtherCount, digest_of
from ml_connector_dagster.cloudsuite.product_lines.m3.chains import span_of
from ml_connector_dagster.cloudsuite.product_lines.m3.list_reckonings import (
    ChainCount,
    ListReckoner,
)
from ml_connector_dagster.cloudsuite.product_lines.m3.lists import ChainInputs, ListReader
from ml_connector_dagster.cloudsuite.product_lines.m3.table_counts import rows_of_lists
from ml_connector_dagster.cloudsuite.product_lines.m3.tenant import M3Tenant
from ml_connector_dagster.cloudsuite.reckonings import Basis, Reckoned
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.windows import Window


class ListRouteReader:
    """``RouteReader`` of one list route of one entity, for every company."""

    def __init__(self, tenant: M3Tenant, entity: str, name: str, route: ListRoute) -> None:
        self._tenant = tenant
        self._entity = entity
        self._name = name
        self._route = route
        self._catalog = tenant.catalog.entities[entity]
        self._digest = digest_of(self._catalog)

    @property
    def label(self) -> str:
        return self._route.label

    def check(self, company: str) -> None:
        """As the probe finds."""
        self._tenant.check(self._entity, company, self._route)

    def reads_whole(self, company: str) -> bool:
        return not self._filters_changes(company)

    def empty_columns(self, company: str) -> tuple[str, ...]:
        """Columns whose field none of the route's transactions has, as far as the tenant tells."""
        given = self._given(company)
        if given is None:
            return ()
        route, keys = self._route, ENTITIES[self._entity].key
        names = dict(route.names)
        for child in route.children:
            names |= child.names
        return tuple(
            column
            for column, spec in self._catalog.all_fields.items()
            if column not in keys and given.isdisjoint({spec.source, names.get(spec.source, "")})
        )

    def _given(self, company: str) -> set[str] | None:
        """Fields of the route's rows; None when the tenant does not describe one of its transactions."""
        route, repository = self._route, self._tenant.repository
        last = route.children[-1] if route.children else route
        given = {*route.keep_inputs, *route.constants}
        for child in route.children:
            given |= {*child.carry, *child.inputs}
        known = repository.fields(last.program, last.transaction, "O", company)
        if known is None:
            return None
        given |= known
        for one in route.complete:
            known = repository.fields(one.program, one.transaction, "O", company)
            if known is None:
                return None
            given |= known & set(one.fields)
        return given

    def chains(self, company: str, window: Window) -> Iterator[Mapping[str, str]]:
        """One per division, per combination of constants that have several values, and per range of keys.

        So are inputs of a list with children or ``split_at``; those of other lists are asked for together, in one chain.
        """
        route = self._route
        self._tenant.api.begin()
        self._reader(company).begin()
        loops = {
            name: values
            for name, values in {**route.inputs, **route.constants}.items()
            if len(values) > 1 and name not in self._together
        }
        cuts = route.split_at
        if not (cuts or loops or self._together or route.per_division):
            cuts = self._cuts(company, self._tenant.local(window))
        ranges = list(pairwise([None, *cuts, None]))
        for division in self._tenant.division_arguments(route, company):
            for values in product(*loops.values()):
                for first, until in ranges:
                    yield {
                        **division,
                        **dict(zip(loops, values, strict=True)),
                        **({} if first is None else {"first": first}),
                        **({} if until is None else {"until": until}),
                    }

    def pages(self, chain: Slice, position: str | None) -> Iterator[Page]:
        """The pages of one chain."""
        window = self._tenant.local(chain.window)
        inputs = self._inputs(chain.company, dict(chain.arguments), window)
        yield from self._reader(chain.company).pages(inputs, position)

    @property
    def setup_requests(self) -> int:
        """The divisions of the company."""
        return int(self._route.per_division)

    def reckon(self, chains: Sequence[Slice], other: OtherCount) -> Reckoned:
        """By the keys of each chain; many chains of one table are counted in one go where EXPORTMI may read it."""
        company, window = chains[0].company, self._tenant.local(chains[0].window)
        asked = [self._inputs(company, dict(chain.arguments), window) for chain in chains]
        reckoner = self._reckoner(company)
        how = "the list's keys"
        rows = self._rows_by_export(company, asked)
        if rows is not None:
            how = "two columns of the table by EXPORTMI"
            counts = [
                reckoner.of_rows(each, inputs) for each, inputs in zip(rows, asked, strict=True)
            ]
        else:
            counts = [reckoner.counted(inputs) for inputs in asked]
        more = any(one.more for one in counts)
        if more and not self._route.children and (total := other()) is not None:
            how, more = "COUNT(*) in the data lake", False
            lists = [max(1, len(inputs.values)) for inputs in asked]
            counts = [
                reckoner.of_rows([total // sum(lists)] * number, inputs)
                for number, inputs in zip(lists, asked, strict=True)
            ]
        return self._reckoned(counts, how, more=more)

    def _rows_by_export(
        self, company: str, chains: Sequence[ChainInputs]
    ) -> tuple[tuple[int, ...], ...] | None:
        reader, alone = self._reader(company), len(chains) == 1 or bool(self._route.children)
        if alone or any(one.until or reader.is_filtered(one) for one in chains):
            return None
        return rows_of_lists(self._tenant, self._catalog, self._route, company, chains)

    def _reckoned(self, counts: Sequence[ChainCount], how: str, *, more: bool) -> Reckoned:
        sampled = bool(self._route.children)
        return Reckoned(
            rows=sum(one.rows for one in counts),
            requests=tuple(one.requests for one in counts),
            basis=Basis.AT_LEAST if more else Basis.SAMPLED if sampled else Basis.COUNTED,
            how=f"{how}, children of some of them" if sampled else how,
        )

    def _reckoner(self, company: str) -> ListReckoner:
        return ListReckoner(
            api=self._tenant.api,
            route=self._route,
            reader=self._reader(company),
            company=company,
            bulk_chunk=self._tenant.catalog.bulk_chunk,
            modified=self._catalog.modified,
        )

    def _reader(self, company: str) -> ListReader:
        tenant = self._tenant
        return tenant.learned.once(
            f"reader/{company}/{self._entity}/{self._name}",
            lambda: ListReader(
                tenant.api,
                self._route,
                company=company,
                page_rows=tenant.page_rows,
                bulk_chunk=tenant.catalog.bulk_chunk,
                fields=self._fields(company),
                filters_changes=self._filters_changes(company),
                positions_identify=self._positions_identify(),
            ),
        )

    def _filters_changes(self, company: str) -> bool:
        return self._tenant.probe(company).filters_changes(self._route)

    def _fields(self, company: str) -> tuple[str, ...]:
        """What to ask a list for; nothing means all. Fields the transaction does not have are left out."""
        route, catalog = self._route, self._catalog
        if route.fields == "*":
            return ()
        wanted = list(route.fields)
        if not route.children:
            wanted += [
                route.names.get(spec.source, spec.source) for spec in catalog.all_fields.values()
            ]
            wanted += [catalog.modified] if catalog.modified else []
        wanted += route.position.values()
        known = self._tenant.repository.fields(route.program, route.transaction, "O", company)
        if known is None:
            return ()
        return tuple(field for field in dict.fromkeys(wanted) if field in known)

    def _cuts(self, company: str, window: Window) -> tuple[str, ...]:
        """Where to cut a list that is read whole. Kept, so that a read that is taken up again has the same chains."""
        changes_only = window.start is not None and self._filters_changes(company)
        if changes_only or len(self._route.position) != 1:
            return ()
        cuts = self._tenant.learned.recall(
            f"cuts/{company}/{self._entity}/{self._name}/{self._digest}",
            lambda: self._reader(company).cuts(self._inputs(company, {}, window)),
        )
        return tuple(cuts)

    def _inputs(self, company: str, arguments: Mapping[str, str], window: Window) -> ChainInputs:
        route = self._route
        fixed = {
            name: arguments.get(name, values[0])
            for name, values in route.inputs.items()
            if name not in self._together
        }
        constants = {
            name: arguments.get(name, values[0]) for name, values in route.constants.items()
        }
        division = arguments.get("division")
        asked = arguments.get("parents", division)
        if division is not None:
            known = self._tenant.repository.fields(route.program, route.transaction, "I", company)
            if asked and (known is None or route.division_input in known):
                fixed[route.division_input] = asked
            if route.children:
                constants["DIVI"] = division
        return ChainInputs(
            fixed=fixed,
            values=self._values(arguments),
            constants=constants,
            division=asked,
            first=arguments.get("first"),
            until=arguments.get("until"),
            window=window,
            span=span_of(window),
        )

    @property
    def _together(self) -> Mapping[str, tuple[str, ...]]:
        """Inputs with several values, of a list that neither has children nor is cut into ranges of keys."""
        if self._route.children or self._route.split_at:
            return {}
        return {name: values for name, values in self._route.inputs.items() if len(values) > 1}

    def _values(self, arguments: Mapping[str, str]) -> tuple[Mapping[str, str], ...]:
        """The inputs of each list that a chain reads; none for a list that is the only one, and for a range of keys."""
        if "first" in arguments or "until" in arguments:
            return ()
        route, together = self._route, self._together
        several = any(len(values) > 1 for values in {**route.inputs, **route.constants}.values())
        if not (several or route.per_division):
            return ()
        return tuple(
            dict(zip(together, values, strict=True)) for values in product(*together.values())
        )

    def _positions_identify(self) -> bool:
        """Whether a row's position names its whole key, or a parent's all that its children are asked for by.

        What is fixed for a chain needs no naming.
        """
        route = self._route
        given = {*route.position.values(), *route.inputs, *route.constants}
        if route.per_division:
            given |= {route.division_input, "DIVI"}
        if route.children:
            first = route.children[0]
            return {*first.inputs.values(), *first.carry} <= given
        sources = (self._catalog.fields[key].source for key in ENTITIES[self._entity].key)
        return all(route.names.get(source, source) in given for source in sources)
