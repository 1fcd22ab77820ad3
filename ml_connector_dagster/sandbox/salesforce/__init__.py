"""A stand-in of one Salesforce org: REST, Collections, Bulk API 2.0 ingest, queries, deployment of metadata.

Real HTTP on loopback, written from the reference notes (saas-destinations §1, §4) and Salesforce's documentation,
sharing no code with the rest. What the real API would refuse is refused.

    with SalesforceSandbox.start(OrgOptions(my_domain="acme")) as org:
        org.url                                          # where https://acme.my.salesforce.com is to be found
        org.faults.add(Fault(kind="lost", method="PATCH", path="composite"))
        org.identity.revoke_all()                        # every token is dead
        org.by_key("Account")["SUP-1"]["Name"]
        org.requests("PATCH"); org.identity.logins

It serves ``/services/…`` when the Host header is the org's, and for people, whatever the host, ``/_salesforce`` and ``/lightning/…``.
Faults also by HTTP: ``/_salesforce/faults`` (``admin.py``).

What is NOT simulated:
    - other grants than client credentials; scopes, IP ranges, per-app limits; SOAP; streaming;
    - Composite, Composite Graph and batch requests; sObject Tree; search; queryAll's deleted records; recycle bin;
    - ContentNote (Note is); a polymorphic parent by its external id (an open point of the reference: refused);
    - Bulk queries and deletes, bulk batches of Bulk API 1; separators other than the comma;
    - validation rules, triggers and flows (a fault stands for "too many batch retries"), sharing, record types,
      person accounts, several currencies, state and country picklists;
    - changes of a field's type or length that the real org would convert.

Choices where the reference is open: a value of a wrong JSON type refuses the whole call, an unknown field its record;
numbers are rounded half up to the field's scale; a locked parent fails at once instead of after ten seconds.
"""

from ml_connector_dagster.sandbox.salesforce.faults import Fault
from ml_connector_dagster.sandbox.salesforce.options import OrgOptions
from ml_connector_dagster.sandbox.salesforce.server import SalesforceSandbox
from ml_connector_dagster.sandbox.salesforce.writes import DuplicateRule


__all__ = ["DuplicateRule", "Fault", "OrgOptions", "SalesforceSandbox"]
