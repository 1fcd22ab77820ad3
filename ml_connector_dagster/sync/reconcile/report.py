"""What a reconciliation found, in the words and order in which a controller reads it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from ml_connector_dagster.model.controls import CONTROLS
from ml_connector_dagster.model.reconciliations import (
    Difference,
    Finding,
    Group,
    ReconciliationState,
    Standing,
)
from ml_connector_dagster.sync.reconcile.results import Comparison


#: How a state is called.
STATES = {
    ReconciliationState.CLEAN: "agrees",
    ReconciliationState.IN_FLIGHT: "agrees, changes under way",
    ReconciliationState.DIFFERENT: "DIFFERS",
    ReconciliationState.FAILED: "NOT COMPARED",
}

STANDINGS = {
    Standing.WRONG: "wrong",
    Standing.WAITING: "refused",
    Standing.IN_FLIGHT: "under way",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All comparisons of one call. ``budget``: the tenant's requests per minute; ``zone``: the tenant's."""

    flow: str
    tenant: str
    made_at: datetime
    zone: ZoneInfo
    budget: int
    comparisons: tuple[Comparison, ...]

    @property
    def wrong(self) -> tuple[Comparison, ...]:
        """Those that somebody has to look at."""
        return tuple(one for one in self.comparisons if one.is_wrong)

    @property
    def requests(self) -> int:
        return sum(one.done.requests for one in self.comparisons)

    @property
    def verdict(self) -> str:
        """The whole report in one sentence."""
        tables = len(self.comparisons)
        if not tables:
            return "Nothing was compared"
        failed = sum(one.done.state is ReconciliationState.FAILED for one in self.comparisons)
        differ = len(self.wrong) - failed
        if not self.wrong:
            under_way = sum(one.done.in_flight + one.done.waiting for one in self.comparisons)
            rest = f"; {under_way:,} changes are under way" if under_way else ""
            return f"All {tables} tables agree with the ERP{rest}"
        parts = [f"{differ} of {tables} tables differ from the ERP"] if differ else []
        parts += [f"{failed} of {tables} could not be compared"] if failed else []
        return ", ".join(parts)

    @property
    def scope(self) -> str:
        """What was compared, in words; mostly the same of every table."""
        return ", ".join(dict.fromkeys(compared(one, self.zone) for one in self.comparisons))

    def by_destination(self) -> Iterator[tuple[str, tuple[Comparison, ...]]]:
        """Destination → its comparisons, in the order of the flow."""
        for name in dict.fromkeys(one.done.destination for one in self.comparisons):
            yield name, tuple(one for one in self.comparisons if one.done.destination == name)

    def moment(self, value: datetime | None) -> str:
        """A point in time in the tenant's zone."""
        return "never" if value is None else f"{value.astimezone(self.zone):%Y-%m-%d %H:%M}"


def amount(value: Decimal) -> str:
    """Exactly, with thousands separators; at least two decimals, and no zeros beyond."""
    whole, _, decimals = f"{value:,f}".partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"


def signed(value: int) -> str:
    """A difference of counts: with its sign, unless it is none."""
    return f"{value:+,}" if value else "0"


def plain_number(text: str) -> str:
    """A value of a difference: an amount as ``amount`` writes it, anything else as it is."""
    try:
        return amount(Decimal(text)) if "." in text else text
    except ArithmeticError:
        return text


def sides(one: Difference) -> tuple[str, str]:
    """What each side has, in words; of a record that both have, only where they are not alike."""
    unlike = {
        name
        for name in one.erp.keys() & one.found.keys()
        if plain_number(one.erp[name]) != plain_number(one.found[name])
    }
    erp = {name: text for name, text in one.erp.items() if not unlike or name in unlike}
    found = {name: text for name, text in one.found.items() if not unlike or name in unlike}
    return (
        _words(erp, is_there=one.finding is not Finding.UNKNOWN),
        _words(found, is_there=one.finding is not Finding.MISSING),
    )


def _words(values: Mapping[str, str], *, is_there: bool) -> str:
    """Master data has neither amounts nor periods: of its records nothing but their being there is compared."""
    told = ", ".join(f"{name} {plain_number(text)}" for name, text in values.items())
    return told or ("the record" if is_there else "nothing")


def period_of(one: Comparison, group: Group) -> str:
    """The period of a group, as its entity writes it."""
    return CONTROLS[one.done.entity].period_text(group.period)


def compared(one: Comparison, zone: ZoneInfo) -> str:
    """What was compared, when it was not everything. ``zone``: the tenant's, in which moments are told."""
    if one.done.since is not None:
        return f"changes since {one.done.since.astimezone(zone):%Y-%m-%d %H:%M} ({zone.key})"
    if one.done.period:
        return f"period {CONTROLS[one.done.entity].period_text(one.done.period)}"
    return "everything"


def worst_first(some: Sequence[Comparison]) -> Sequence[Comparison]:
    """What somebody has to look at, then what is under way, then the rest."""
    clean = ReconciliationState.CLEAN
    return sorted(some, key=lambda one: (not one.is_wrong, one.done.state is clean))


def groups_shown(one: Comparison) -> Sequence[Group]:
    """The groups, those that differ first."""
    return sorted(one.groups, key=lambda group: (not group.differs, group.period, group.currency))


def differing(one: Comparison) -> Sequence[Group]:
    """Only those that differ."""
    return [group for group in one.groups if group.differs]
