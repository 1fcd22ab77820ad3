"""A stand-in of a monday.com account: the GraphQL API (a subset of its schema), imports from files, and its limits.

Real HTTP on loopback; written from the reference notes (saas-destinations §2, §4), sharing no code with the rest.

    with MondaySandbox.start(MondayOptions(tier="pro")) as sandbox:
        sandbox.url + "/v2"                          # the API, with sandbox.options.token
        sandbox.account.boards                       # what is there
        sandbox.faults.add(Fault(kind="lost", field="create_item", nth=2))
        sandbox.clock.advance(seconds=60)            # the budgets of the next minute
        sandbox.calls, sandbox.uploads               # what was asked

Served: ``/v2``, ``/_monday/uploads/…`` and ``/_monday/reports/…`` (the pre-signed links of an import, which a real
account has at a storage service), and ``/_monday`` for people.

What is NOT simulated: users, teams, scopes and permissions beyond "may change the structure"; multi-level boards,
mirrors, formulas, files, people, dropdowns, timelines; updates, activity, automations, webhooks; moving items;
restoring archived ones; limits per endpoint and per IP.

Choices where the reference is open: the report of an import (see ``jobs.py``); an idempotency key that comes back with
another payload gets the first answer; a complexity refusal is HTTP 429; a query that does not validate is HTTP 200
with GRAPHQL_VALIDATION_FAILED; an unknown item is ResourceNotFoundException; a search takes 100 values; a column of
type ``subtasks`` can be made by ``create_column`` and makes the subitems board; labels left out of
``update_status_column`` are removed, which is refused while items use them; two rows of one import with the same
key make two items when there was none.
"""

from ml_connector_dagster.sandbox.monday.faults import Fault
from ml_connector_dagster.sandbox.monday.options import MondayOptions
from ml_connector_dagster.sandbox.monday.server import MondaySandbox


__all__ = ["Fault", "MondayOptions", "MondaySandbox"]
