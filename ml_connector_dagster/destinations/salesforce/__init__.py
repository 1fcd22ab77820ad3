"""Salesforce: Accounts and objects of our own, by external id, through Collections or Bulk API 2.0.

Everything that talks to simple-salesforce is here, and only ``logins.py`` and ``transport.py`` import it.
"""

from ml_connector_dagster.destinations.salesforce.opening import open_salesforce


__all__ = ["open_salesforce"]
