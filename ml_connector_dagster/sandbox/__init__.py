"""A stand-in of the outside world: for the demo, for the tests, for a user's own CI. Shares no code with the rest."""

from ml_connector_dagster.sandbox.erp.sizes import ErpSize
from ml_connector_dagster.sandbox.faults import Fault
from ml_connector_dagster.sandbox.options import SandboxOptions, Switches, Tenant
from ml_connector_dagster.sandbox.server import Sandbox


__all__ = ["ErpSize", "Fault", "Sandbox", "SandboxOptions", "Switches", "Tenant"]
