"""Scheduled plans: what is sent to whom, and what was sent.

``run_once`` copies a plan and runs the copy; the original stays as it is (reference saas-destinations §3.2). The answer
comes before the delivery: the copy's ``last_run_status`` tells later. Its words are not documented; here they are
"running", "success" and "failure".
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ml_connector_dagster.sandbox.looker.dashboards import Shown, show
from ml_connector_dagster.sandbox.looker.options import LookerOptions
from ml_connector_dagster.sandbox.looker.queries import Queries
from ml_connector_dagster.sandbox.looker.refusals import Refused, invalid, not_found


#: What may be written of a plan; the rest of it is Looker's.
_WRITABLE: Final = frozenset(
    {
        *("name", "user_id", "run_as_recipient", "enabled", "look_id", "dashboard_id"),
        *("lookml_dashboard_id", "filters_string", "dashboard_filters", "require_results"),
        *("require_no_results", "require_change", "send_all_results", "crontab", "datagroup"),
        *("timezone", "scheduled_plan_destination", "run_once", "include_links"),
        *("include_dashboard_summary", "custom_url_base", "custom_url_params"),
        *("custom_url_label", "show_custom_url", "pdf_paper_size", "pdf_landscape", "embed"),
        *("color_theme", "long_tables", "pdf_page_breaks", "tab_ids", "inline_table_width"),
        "query_id",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What was sent. ``plan`` is the plan that was asked for, ``copy`` the one that ran."""

    plan: str
    copy: str
    at: datetime
    addresses: tuple[str, ...]
    dashboard: Shown | None
    error: str = ""


@dataclass(slots=True, kw_only=True)
class PlanRecord:
    """``polls``: how often the status still says that the run is under way."""

    body: dict[str, Any]
    status: str = ""
    polls: int = 0


@dataclass(slots=True)
class Plans:
    """All plans of the instance, copies included."""

    options: LookerOptions
    queries: Queries
    now: Callable[[], datetime]
    deliveries: list[Delivery] = field(default_factory=list)
    _plans: dict[str, PlanRecord] = field(default_factory=dict)
    _sent: list[datetime] = field(default_factory=list)

    def __post_init__(self) -> None:
        for one in self.options.plans:
            self._add(
                {
                    "name": one.title,
                    "lookml_dashboard_id": one.dashboard,
                    "crontab": "0 7 * * 1",
                    "scheduled_plan_destination": [
                        {"type": "email", "format": "wysiwyg_pdf", "address": one.address}
                    ],
                },
                one.id,
            )

    def every(self) -> list[dict[str, Any]]:
        """Plans that run on a schedule, as the API lists them."""
        return [_shown(one) for one in self._plans.values() if not one.body["run_once"]]

    def get(self, number: str) -> dict[str, Any]:
        """One plan, or copy; asking moves a run on. Raises Refused."""
        record = self._record(number)
        told = _shown(record)
        if record.status and record.polls:
            record.polls -= 1
            told["last_run_status"] = "running"
        return told

    def create(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """A new plan. Raises Refused."""
        _require_writable(body)
        number = str(100 + len(self._plans))
        return _shown(self._add(body, number))

    def delete(self, number: str) -> None:
        """Raises Refused."""
        self._record(number)
        del self._plans[number]

    def run_once(self, number: str, changes: Mapping[str, Any], *, breaks: bool) -> dict[str, Any]:
        """Run a copy of a plan. Answers the copy. Raises Refused."""
        _require_writable(changes)
        original = self._record(number)
        self._hold_back()
        writable = {k: v for k, v in original.body.items() if k in _WRITABLE and v is not None}
        # Who runs it once has no schedule for it.
        for name in ("crontab", "datagroup"):
            writable.pop(name, None)
        copy = self._add({**writable, **changes, "run_once": True}, str(100 + len(self._plans)))
        dashboard, error = self._run(copy, breaks=breaks)
        addresses = tuple(
            str(one.get("address", "")) for one in copy.body["scheduled_plan_destination"]
        )
        self.deliveries.append(
            Delivery(
                plan=number,
                copy=copy.body["id"],
                at=self.now(),
                addresses=addresses,
                dashboard=dashboard,
                error=error,
            )
        )
        copy.status = "failure" if error else "success"
        copy.polls = self.options.polls_until_delivered
        copy.body["last_run_at"] = _moment(self.now())
        return _shown(copy) | {"last_run_status": None}

    def _run(self, copy: PlanRecord, *, breaks: bool) -> tuple[Shown | None, str]:
        if breaks:
            return None, "The mail server refused the message."
        try:
            shown = show(self.queries, str(copy.body["lookml_dashboard_id"]), {})
        except Refused as refused:
            return None, str(refused)
        errors = [tile.answer.error for tile in shown.tiles if tile.answer.error]
        return shown, errors[0] if errors else ""

    def _hold_back(self) -> None:
        """Looker limits how fast plans are sent, against relay spam; how fast is not documented."""
        limit = self.options.run_once_per_minute
        now = self.now()
        self._sent = [one for one in self._sent if now - one < timedelta(minutes=1)]
        if limit is not None and len(self._sent) >= limit:
            oldest = self._sent[0] + timedelta(minutes=1) - now
            raise Refused(429, "Too many requests", retry_after=max(1, int(oldest.total_seconds())))
        self._sent.append(now)

    def _record(self, number: str) -> PlanRecord:
        if number not in self._plans:
            raise not_found()
        return self._plans[number]

    def _add(self, body: Mapping[str, Any], number: str) -> PlanRecord:
        moment = _moment(self.now())
        whole = {
            **dict.fromkeys(sorted(_WRITABLE)),
            "enabled": True,
            "run_once": False,
            "user_id": "1",
            "timezone": "UTC",
            "scheduled_plan_destination": [],
            "id": number,
            "title": body.get("name"),
            "created_at": moment,
            "updated_at": moment,
            "last_run_at": None,
            "can": {},
            **body,
        }
        self._plans[number] = PlanRecord(body=whole)
        return self._plans[number]


def _require_writable(body: Mapping[str, Any]) -> None:
    for name in body:
        if name not in _WRITABLE:
            raise invalid(name, "is read only or unknown")


def _shown(record: PlanRecord) -> dict[str, Any]:
    told = {name: value for name, value in record.body.items() if value is not None}
    return told | {"last_run_status": record.status or None}


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000+00:00")
