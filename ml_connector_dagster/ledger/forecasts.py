"""What was foreseen of runs, so that what they took can be held against it."""

import json
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, insert, select

from ml_connector_dagster.ledger.databases import Database
from ml_connector_dagster.ledger.tables import forecast as forecasts
from ml_connector_dagster.model.forecasts import Forecast, forecast_document, forecast_of


#: Forecasts of a flow that are older are dropped when a new one is written.
KEPT_FOR: Final = timedelta(days=400)


def record(database: Database, forecast: Forecast) -> None:
    """Keep ``forecast``."""
    with database.write(f"forecasts of {forecast.flow}") as connection:
        connection.execute(
            delete(forecasts).where(
                forecasts.c.flow == forecast.flow,
                forecasts.c.made_at < forecast.made_at - KEPT_FOR,
            )
        )
        connection.execute(
            insert(forecasts).values(
                forecast_id=forecast.forecast_id,
                tenant=forecast.tenant,
                flow=forecast.flow,
                made_at=forecast.made_at,
                document=json.dumps(forecast_document(forecast), ensure_ascii=False),
            )
        )


def find(
    database: Database, flow: str, *, since: datetime | None, limit: int
) -> tuple[Forecast, ...]:
    """Forecasts of ``flow``, newest first."""
    query = select(forecasts.c.document).where(forecasts.c.flow == flow)
    if since is not None:
        query = query.where(forecasts.c.made_at >= since)
    query = query.order_by(forecasts.c.made_at.desc(), forecasts.c.forecast_id.desc()).limit(limit)
    with database.read() as connection:
        return tuple(forecast_of(json.loads(text)) for text in connection.execute(query).scalars())
