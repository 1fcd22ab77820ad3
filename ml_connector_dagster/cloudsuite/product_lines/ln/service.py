"""Calls of LN's OData services: their URL, their company, and what they answer (reference cloudsuite-api §4.1)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

from ml_connector_dagster.cloudsuite.catalog.ln import LnCatalog
from ml_connector_dagster.cloudsuite.product_lines.asking import Asking, Calls
from ml_connector_dagster.cloudsuite.product_lines.ln.answers import (
    SetAnswer,
    parse_metadata,
    parse_set,
)
from ml_connector_dagster.cloudsuite.product_lines.measures import Meter
from ml_connector_dagster.model.errors import ContractError


_ODATA: Final = "/lnapi/odata"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetCall:
    """Rows of a set. ``link``: a next link of the server, which then says everything else too."""

    service: str
    set: str
    company: str
    select: tuple[str, ...]
    filter: str
    order_by: tuple[str, ...]
    top: int
    skip: int = 0
    counted: bool = True
    link: str | None = None

    def __str__(self) -> str:
        return f"odata {self.service}/{self.set}, company {self.company}"

    @property
    def path(self) -> str:
        """Path and query below the suite. Raises ContractError for a link that leads elsewhere."""
        path = f"{_ODATA}/{self.service}/{self.set}"
        if self.link is not None:
            # Absolute or relative, through the gateway or not: only the query is taken from it.
            query = urlsplit(self.link).query
            if not query:
                raise ContractError(f"{self}: its next link has no query to go on with")
            return f"{path}?{query}"
        options = {
            "$select": ",".join(self.select),
            "$filter": self.filter,
            "$orderby": ",".join(self.order_by),
            "$top": str(self.top),
            "$skip": str(self.skip) if self.skip else "",
            "$count": "true" if self.counted else "",
        }
        return f"{path}?" + "&".join(
            f"{name}={quote(value, safe='')}" for name, value in options.items() if value
        )


class ODataService:
    """Asks one tenant's LN. Thread-safe."""

    def __init__(self, calls: Calls, catalog: LnCatalog) -> None:
        self._calls = calls
        self._messages = catalog.messages
        self._asking = Asking()

    def begin(self) -> None:
        """A read begins; see ``Asking.begin``."""
        self._asking.begin()

    def rows(self, call: SetCall, meter: Meter) -> SetAnswer:
        """One answer. Raises the error that fits a refusal."""
        path = call.path
        answer = self._asking.ask(
            lambda: self._calls.get(path, headers=_headers(call.company)),
            parse_set,
            what=str(call),
            kind=f"{call.service}/{call.set}",
            question=(call.company, path),
            meter=meter,
        )
        if answer.refusal is not None:
            raise answer.refusal.error(self._messages, what=str(call), company=call.company)
        return answer

    def sets(self, service: str, company: str) -> Mapping[str, tuple[str, ...]]:
        """Set → its properties. Raises the error that fits a refusal."""
        what = f"odata {service}/$metadata, company {company}"
        answer = self._asking.ask(
            lambda: self._calls.get(f"{_ODATA}/{service}/$metadata", headers=_headers(company)),
            parse_metadata,
            what=what,
            kind=f"{service}/$metadata",
            question=company,
            meter=Meter(),
        )
        if answer.refusal is not None:
            raise answer.refusal.error(self._messages, what=what, company=company)
        return answer.sets


def _headers(company: str) -> Mapping[str, str]:
    return {"X-Infor-LnCompany": company, "Content-Language": "en-US"}
