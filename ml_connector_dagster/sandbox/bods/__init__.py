"""An ION document flow as a sender: what the ERP would publish when a record changes."""

from ml_connector_dagster.sandbox.bods.sender import BodSender


__all__ = ["BodSender"]
