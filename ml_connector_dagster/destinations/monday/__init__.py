"""Monday.com as a destination: an item for each record, on a board for each entity.

The vendor's client (monday-api-python-sdk) is imported here and nowhere else, and sends through ``transport`` only.
"""

from ml_connector_dagster.destinations.monday.connecting import open_monday


__all__ = ["open_monday"]
