"""Calls of generic lists: a page, or the error that fits Landmark's exception."""

from ml_connector_dagster.cloudsuite.catalog.financials import LandmarkMessages
from ml_connector_dagster.cloudsuite.product_lines.asking import Asking, Calls
from ml_connector_dagster.cloudsuite.product_lines.financials.answers import (
    LandmarkAnswer,
    parse_answer,
    refusal,
)
from ml_connector_dagster.cloudsuite.product_lines.financials.queries import ClassList
from ml_connector_dagster.cloudsuite.product_lines.measures import Meter


class LandmarkApi:
    """Asks one tenant's Landmark. Thread-safe."""

    def __init__(self, calls: Calls, messages: LandmarkMessages) -> None:
        self._calls = calls
        self._messages = messages
        self._asking = Asking()

    def begin(self) -> None:
        """A read begins; see ``Asking.begin``."""
        self._asking.begin()

    def page(
        self, asked: ClassList, company: str, meter: Meter, href: str | None = None
    ) -> LandmarkAnswer:
        """One page: the first, or the one that ``href`` leads to. Raises the error that fits Landmark's exception."""
        path = asked.path if href is None else asked.onward(href)
        what = f"list {asked.business_class}, company {company}"
        answer = self._asking.ask(
            lambda: self._calls.get(path),
            parse_answer,
            what=what,
            kind=asked.business_class,
            question=path,
            meter=meter,
        )
        if answer.exception:
            raise refusal(
                answer.exception, self._messages, what=what, business_class=asked.business_class
            )
        return answer
