"""The marts there are, and which of them a flow can have."""

from collections.abc import Iterable, Mapping
from typing import Final

from ml_connector_dagster.marts.gl_account_balances import GL_ACCOUNT_BALANCES
from ml_connector_dagster.marts.invoice_reconciliation import INVOICE_RECONCILIATION
from ml_connector_dagster.marts.mart import Mart
from ml_connector_dagster.marts.payables_aging import PAYABLES_AGING
from ml_connector_dagster.marts.purchase_commitments import PURCHASE_COMMITMENTS
from ml_connector_dagster.marts.vendor_performance import VENDOR_PERFORMANCE


MARTS: Final[Mapping[str, Mart]] = {
    mart.name: mart
    for mart in (
        PAYABLES_AGING,
        VENDOR_PERFORMANCE,
        PURCHASE_COMMITMENTS,
        GL_ACCOUNT_BALANCES,
        INVOICE_RECONCILIATION,
    )
}


def missing_entities(mart: Mart, entities: Iterable[str]) -> tuple[str, ...]:
    """What a flow of ``entities`` lacks for the mart."""
    present = set(entities)
    return tuple(name for name in mart.entities if name not in present)
