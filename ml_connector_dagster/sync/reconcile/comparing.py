"""One place against the ERP's side: totals first, then the records of the groups that differ."""

from collections.abc import Callable

from ml_connector_dagster.model.reconciliations import Group, Standing
from ml_connector_dagster.sync.reconcile.books import Books, side_by_side
from ml_connector_dagster.sync.reconcile.judging import Evidence, Judgement, judge
from ml_connector_dagster.sync.reconcile.places import Place


#: Nothing differs.
NOTHING = Judgement(counts=dict.fromkeys(Standing, 0), differences=())


def compare(
    books: Books, place: Place, evidence: Callable[[], Evidence], *, changes_only: bool = False
) -> tuple[tuple[Group, ...], Judgement]:
    """The groups side by side, and what differs. ``evidence`` is asked for when something does.

    With ``changes_only``, ``books`` hold some of the ERP's records: the place is asked for these and no others.
    """
    shape = place.shape
    books.forget_found(shape)
    if changes_only:
        for rows in place.records_of(books.record_ids(shape)):
            books.find(shape, rows)
        found = books.found_groups(shape)
    else:
        found = place.groups()
    groups = side_by_side(books.erp_groups(shape), found, len(shape.amounts))
    if changes_only:
        books.open_groups(None)
        return groups, judge(books, shape, evidence())
    doubled = place.has_doubles()
    suspects = [group for group in groups if group.is_suspect]
    if not suspects and not doubled:
        return groups, NOTHING
    # A record that is there twice may stand in any group.
    asked = [] if doubled else suspects
    for rows in place.records(asked):
        books.find(shape, rows)
    books.open_groups(asked if asked and shape.grouped else None)
    return groups, judge(books, shape, evidence())
