"""A stand-in of the ION API Gateway with five product lines behind it: for the demo, the tests and a user's own CI.

Real HTTP on loopback over one seeded ERP; written from the reference notes (cloudsuite-api §0 to §5, §8, §9),
sharing no code with the rest. What the real API would refuse is refused.

    with Sandbox.start(SandboxOptions(size=ErpSize.tiny())) as sandbox:
        sandbox.ionapi_text("ACME_TST")              # log in with this
        sandbox.erp.change("suppliers", 30)          # answers the keys that changed
        sandbox.erp.truth("suppliers", "100")        # what should have arrived
        sandbox.faults.add(Fault(kind="truncated", program="EXPORTMI", nth=2))
        sandbox.switches.row_ceiling = 1000
        sandbox.clock.advance(days=1)
        sandbox.requests("ACME_TST"); sandbox.logins("ACME_TST")

SyteLine, LN, Financials and Distribution look at the same rows as M3: each package of ``ion/`` says what it leaves out
and which choices it made. Of M3 and the gateway this is NOT simulated:
    - transactions that write: an attempt answers TransactionNotFound and stands in ``requests()``;
    - Search transactions (they need the enterprise search index), CMS100MI, MDBREADMI, PPS001MI, GLS215MI/Get…;
    - purchase agreements and payment proposals: their lists exist and are empty;
    - balances as an EXPORTMI table: their real table name is not verified, so none is offered;
    - a purchase order on posted invoices: FPLEDG has no such verified column;
    - LIKE, IN, BETWEEN, joins and functions in EXPORTMI's QERY; comparisons of unlike types are refused;
    - scopes, authorization-code and SAML grants, quotas, rate smoothing, ``m3user``, csrf tokens;
    - Compass, BODs.

Choices where the reference is open: the default date format is the user's DMY6 (send ``dateformat``); unknown input
fields are refused; a refused spike-arrest call does not count; the balance key is "1"; DBCR is 1 debit, 2 credit; an
EXPORTMI header row counts as a row of ``maxrecs``; REPL is cut off silently after 984 characters.
"""

from ml_connector_dagster.sandbox.erp.sizes import ErpSize
from ml_connector_dagster.sandbox.faults import Fault
from ml_connector_dagster.sandbox.options import SandboxOptions, Switches, Tenant
from ml_connector_dagster.sandbox.server import Sandbox


__all__ = ["ErpSize", "Fault", "Sandbox", "SandboxOptions", "Switches", "Tenant"]
