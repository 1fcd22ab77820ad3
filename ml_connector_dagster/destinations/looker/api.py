"""Looker's API, as far as it is used: typed values in and out, through the SDK over our transport.

Raises CredentialError, ConfigError, TransientError, OutcomeUnknownError and ContractError, never the SDK's errors.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, TypeVar

from cattrs.errors import BaseValidationError
from looker_sdk.error import SDKError
from looker_sdk.rtl.auth_session import AuthSession
from looker_sdk.rtl.auth_token import AuthToken
from looker_sdk.rtl.serialize import DeserializeError, deserialize40, serialize40
from looker_sdk.sdk.api40 import models
from looker_sdk.sdk.api40.methods import Looker40SDK

from ml_connector_dagster.destinations.looker.quotas import Quota
from ml_connector_dagster.destinations.looker.transport import LookerTransport, Settings
from ml_connector_dagster.model.errors import ConfigError, ContractError


_Value = TypeVar("_Value")

#: What the SDK raises over an answer that has not the shape of its models.
_MISSHAPEN: Final = (SDKError, DeserializeError, BaseValidationError, AssertionError, KeyError)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRun:
    """One run of a scheduled plan. ``status`` is in Looker's own words; "" when there is none yet."""

    id: str
    name: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectProblem:
    """One finding of Looker's validator."""

    severity: str
    message: str
    place: str


class Looker:
    """One login to one Looker instance. ``log_in`` first: the SDK's own lazy login is never left to itself."""

    def __init__(self, settings: Settings, transport: LookerTransport, quota: Quota) -> None:
        self.base_url = settings.base_url
        self.quota = quota
        self._transport = transport
        self._auth = AuthSession(settings, transport, deserialize40, "4.0")
        transport.drop_token = self._drop_token
        self._sdk = Looker40SDK(self._auth, deserialize40, serialize40, transport, "4.0")

    def log_in(self) -> None:
        """A new token, whatever there was: a sync begins with one. Costs no call of the quota."""
        self._drop_token()
        _shaped("a login", lambda: self._auth.authenticate({}))
        if not self._auth.is_authenticated:
            raise ContractError(
                "Looker answers a login without a token, or with one that has expired"
            )

    def close(self) -> None:
        """Give the connections back. The token is left to expire: a logout is one more call that can fail."""
        self._transport.close()

    def user(self) -> str:
        """Who the API key belongs to."""
        told = _shaped("the user", lambda: self._sdk.me(fields="id,display_name"))
        if not told.id:
            raise ContractError("Looker answers the user of a login without an id")
        return f"{told.display_name or 'user'} ({told.id})"

    def datagroup_id(self, model: str, name: str) -> str:
        """The id of a model's datagroup. Raises ConfigError when Looker has none of the name."""
        found: Sequence[models.Datagroup] = _shaped("datagroups", self._sdk.all_datagroups)
        for one in found:
            if one.name == name and one.model_name == model and one.id:
                return str(one.id)
        known = ", ".join(sorted(f"{one.model_name}/{one.name}" for one in found)) or "none"
        raise ConfigError(
            f"Looker has no datagroup {name!r} in a model {model!r}; it has: {known}. Deploy the generated LookML to "
            "production (ml-connector lookml write), or correct model: and datagroup: of the flow"
        )

    def trigger(self, datagroup_id: str, at: int) -> None:
        """Say that the data has changed: caches are void, PDTs and schedules of the datagroup run.

        ``at`` is UNIX seconds. Looker refuses moments to come, so its own clock decides where it is behind.
        """
        seen = self._transport.server_time
        body = models.WriteDatagroup(triggered_at=at if seen is None else min(at, seen))
        _shaped("a datagroup", lambda: self._sdk.update_datagroup(datagroup_id, body))

    def first_row(
        self, model: str, explore: str, fields: Sequence[str], sorts: Sequence[str]
    ) -> Mapping[str, Any] | None:
        """The first row of an explore, asked of the database and not of the cache; None when there are none."""
        query = models.WriteQuery(
            model=model, view=explore, fields=list(fields), sorts=list(sorts), limit="1"
        )
        told = _shaped(
            "an inline query",
            lambda: self._sdk.run_inline_query("json_detail", query, cache=False),
        )
        rows = result_rows(told, f"explore {explore}")
        return rows[0] if rows else None

    def plan(self, plan_id: str) -> PlanRun:
        """A scheduled plan, or the copy that a run-once made."""
        return _run(_shaped("a scheduled plan", lambda: self._sdk.scheduled_plan(plan_id)))

    def run_once(self, plan_id: str) -> PlanRun:
        """Send a plan now. Looker runs a copy and answers the copy; its status is read from there.

        Raises OutcomeUnknownError when the answer was lost: it may have been sent.
        """
        return _run(_shaped("a run-once", lambda: self._sdk.scheduled_plan_run_once_by_id(plan_id)))

    def validate(self, project: str) -> tuple[ProjectProblem, ...]:
        """What Looker itself says about a LookML project, in the workspace of this login (production)."""
        told = _shaped("a validation", lambda: self._sdk.validate_project(project))
        return tuple(
            ProjectProblem(
                severity=one.severity or "error",
                message=one.message or one.kind or "no message",
                place=f"{one.file_path or ''}:{one.line_number or ''}".strip(":"),
            )
            for one in told.errors or ()
        )

    def run_sql(self, connection: str, sql: str) -> list[Mapping[str, Any]]:
        """One statement through SQL Runner; its rows. Two calls that count as queries.

        What a statement that changes rows answers is undocumented: nothing may be read into it.
        """
        body = models.SqlQueryCreate(connection_name=connection, sql=sql)
        created = _shaped("a SQL query", lambda: self._sdk.create_sql_query(body))
        if not created.slug:
            raise ContractError("Looker makes a SQL query without a slug")
        slug = created.slug
        told = _shaped("a SQL query", lambda: self._sdk.run_sql_query(slug, "json_detail"))
        return result_rows(told, "a statement in SQL Runner")

    def _drop_token(self) -> None:
        self._auth.token = AuthToken()


def result_rows(told: str | bytes, what: str) -> list[Mapping[str, Any]]:
    """The rows of a ``json_detail`` answer: field → value. A query that failed is also answered with 200."""
    try:
        answer = json.loads(told, parse_float=Decimal) if told else {}
    except ValueError as error:
        raise ContractError(f"Looker answers {what} with something else than JSON") from error
    if isinstance(answer, list):  # how failures, and some statements, are answered
        answer = {"data": [], "errors": [one for one in answer if "looker_error" in one]}
    if not isinstance(answer, Mapping):
        raise ContractError(f"Looker answers {what} with JSON of another shape than json_detail")
    if errors := answer.get("errors"):
        raise ConfigError(f"{what} failed at the database: {_said(errors)}")
    rows = answer.get("data")
    if rows is not None and not isinstance(rows, list):
        raise ContractError(f"Looker answers {what} with json_detail without rows")
    return [{name: _value(cell) for name, cell in one.items()} for one in rows or ()]


def _value(cell: object) -> Any:
    return cell.get("value") if isinstance(cell, Mapping) else cell


def _said(errors: object) -> str:
    listed = errors if isinstance(errors, list) else [errors]
    texts = [
        str(
            one.get("message_details")
            or one.get("message")
            or one.get("looker_error")
            or "no reason"
        )
        if isinstance(one, Mapping)
        else str(one)
        for one in listed
    ]
    return "; ".join(texts)[:400]


def _run(told: models.ScheduledPlan) -> PlanRun:
    if not told.id:
        raise ContractError("Looker answers a scheduled plan without an id")
    return PlanRun(
        id=str(told.id), name=told.title or told.name or "", status=told.last_run_status or ""
    )


def _shaped(what: str, call: Callable[[], _Value]) -> _Value:
    """The answer of a call whose refusals the transport has raised already: what is left is its shape."""
    try:
        return call()
    except _MISSHAPEN as error:
        raise ContractError(
            f"Looker answers {what} in a shape that its documentation rules out ({type(error).__name__})"
        ) from error
