"""Snowflake: small batches through the SQL API, large ones as Parquet through the vendor's connector."""

from ml_connector_dagster.destinations.snowflake.destination import SnowflakeDestination


__all__ = ["SnowflakeDestination"]
