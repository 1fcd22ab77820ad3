"""Rows of a table counted by EXPORTMI: a few short columns of all of them, with no more than one request.

EXPORTMI takes no ``count(*)`` that anybody has shown (reference cloudsuite-api §2.8).
"""

from collections import Counter
from collections.abc import Sequence

import pyarrow as pa

from ml_connector_dagster.cloudsuite.catalog.m3 import M3Entity
from ml_connector_dagster.cloudsuite.catalog.routes import ExportRoute, ListRoute
from ml_connector_dagster.cloudsuite.product_lines.m3.lists import ChainInputs
from ml_connector_dagster.cloudsuite.product_lines.m3.queries import Types, equal, literal
from ml_connector_dagster.cloudsuite.product_lines.m3.selects import Selected, TablePart, Where
from ml_connector_dagster.cloudsuite.product_lines.m3.tenant import M3Tenant
from ml_connector_dagster.cloudsuite.product_lines.measures import Meter
from ml_connector_dagster.cloudsuite.product_lines.refusals import ROUTE_REFUSALS
from ml_connector_dagster.cloudsuite.product_lines.tables import keys_of
from ml_connector_dagster.cloudsuite.reckonings import COUNTED_ROWS


def columns_of(tenant: M3Tenant, part: TablePart, where: Where) -> Selected:
    """The columns of ``part`` of up to ``COUNTED_ROWS`` rows. Raises one of ``ROUTE_REFUSALS``."""
    return tenant.selects.read(part, where, ordered=False, limit=COUNTED_ROWS, meter=Meter())


def groups_of(rows: pa.Table, fields: Sequence[str]) -> Counter[tuple[str, ...]]:
    """Values of ``fields`` → rows that have them."""
    if rows.num_rows == 0:
        return Counter()
    values = [keys_of(rows, (field,)).to_pylist() for field in fields]
    return Counter(zip(*values, strict=True))


def rows_of_lists(
    tenant: M3Tenant,
    catalog: M3Entity,
    route: ListRoute,
    company: str,
    chains: Sequence[ChainInputs],
) -> tuple[tuple[int, ...], ...] | None:
    """Rows of each list of each chain, told apart by division and inputs, from the table of the entity's export route.

    None where there is no such table, it lacks a field, the tenant may not read it, or it is too long to count.
    """
    table = next((one for one in catalog.routes.values() if isinstance(one, ExportRoute)), None)
    loops = [name for name, values in route.inputs.items() if len(values) > 1]
    fields = (*([route.division_input] if route.per_division else []), *loops)
    if table is None or not fields or not {*fields} <= {*table.key}:
        return None
    types = {
        **table.types,
        **tenant.repository.columns(table.table, table.prefix, company).types,
    }
    part = TablePart(table=table.table, prefix=table.prefix, key=fields, fields=fields, types=types)
    try:
        found = columns_of(tenant, part, _where(tenant, table, types, company))
    except ROUTE_REFUSALS:
        return None
    if found.cut:
        return None
    groups = groups_of(found.rows, fields)
    return tuple(
        tuple(
            groups[tuple({**one.fixed, **values}.get(name, one.division or "") for name in fields)]
            for values in one.values
        )
        for one in chains
    )


def _where(tenant: M3Tenant, table: ExportRoute, types: Types, company: str) -> Where:
    prefix = table.prefix
    conditions = [f"{prefix}CONO={company}"] if tenant.catalog.company_condition else []
    conditions += [
        equal(prefix, name, values[0], types)
        for name, values in table.where.items()
        if len(values) == 1
    ]
    for name, (first, last) in table.between.items():
        conditions.append(f"{prefix}{name}>={literal(name, first, types)}")
        conditions.append(f"{prefix}{name}<={literal(name, last, types)}")
    return Where(company=company, conditions=tuple(conditions))
