"""Reconciliation: does a destination hold what the ERP has, to the last cent, and if not: which records, and why?

It has to find what the connector itself missed and what somebody changed behind its back. So neither side is taken
from what was staged or written down: the ERP is asked again, and the destination is asked for what it holds now. What
is staged and what the ledger knows serve one end only: to explain a difference that the two sides have shown.

**The ERP's side** (``reading``). No product line can add up: M3's and SyteLine's lists, LN's OData, FSM's Landmark and
SX.e's tables know filters and pages, no sums. So every record is listed through the same routes as an extraction, with
a catalog that is cut down to key, amounts, period, currency and change stamp (``cloudsuite/catalog/narrowed.py``): no
further Get transaction, no lookup, no wide row. A large table comes through the data lake where the tenant has one, at
100,000 records a request. One reading serves all destinations of a flow. It is paced to a share of the request budget
(``reconcile.budget_percent``), and its requests are shown. The sums are then exact, per currency, and the keys are at
hand when they are needed. What a lake says may be an hour old; the comparison knows it (``Slice.lag``).

**The destination's side** (``warehouses``, ``applications``). A warehouse adds up itself: one query, grouped by period
and currency; only groups that differ are then asked for their records, and only those are compared key by key. An
application counts and adds up by its own query API, as one group; its records are asked for when that differs. What a
flow's filter keeps away from an application is not expected there.

**What a difference means** (``judging``). The ERP goes on while it is being compared, so a difference is not an error. It
is *in flight* when something that is under way will heal it by itself: the next read will bring it (its change is newer
than the last read), its delivery has not been done yet, the next key sweep will mark it. It is *waiting* when the
destination refused it with a reason that is kept as a dead letter. Everything else is *wrong*: a record that was
delivered and is not there or has other amounts, that nobody ever delivered, or that the connector should have read and
has not. An excuse holds once: what was in flight at one reconciliation and is unchanged after the read or sweep that
should have healed it is wrong at the next. So red can be trusted, and green cannot last on excuses.

**What can be mended** (``repairing``). Where somebody changed, removed or marked a record, and what is staged of it is what
the ERP says now, that version is sent again as a batch that restores. Then the table is compared again.

**Two extents.** Everything is compared on demand and by the flow's ``reconcile.schedule``. After each run only what the
ERP has changed in the run's days is compared (``since``), record by record: that finds what was not read or delivered,
not what was added or changed elsewhere, and costs about the requests of the run's lists.

**What it cannot see.** Two changes in one month and currency that cancel each other out; a text that was changed; a
record that the ERP does not show to the service user. How a value is read from the ERP's text is the extraction's own
code, so a misreading would be on both sides.
"""
