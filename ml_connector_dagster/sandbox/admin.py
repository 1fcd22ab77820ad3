"""The sandbox's own routes, outside of everything it simulates: /_admin/… as JSON, and the status page at /.

Every route does what the Python API of ``Sandbox`` does; wrong arguments answer 400 with the reason.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, fields
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from ml_connector_dagster.sandbox.erp.tables import TABLES
from ml_connector_dagster.sandbox.faults import Fault
from ml_connector_dagster.sandbox.options import Switches
from ml_connector_dagster.sandbox.status_page import render


if TYPE_CHECKING:
    from ml_connector_dagster.sandbox.server import Sandbox


Answer = Callable[["Sandbox", Request, dict[str, Any]], Any]


def _plain(value: object) -> str | list[object]:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    raise TypeError(f"{value!r} has no JSON form")


def _json(content: object, status: int = 200) -> Response:
    text = json.dumps(content, ensure_ascii=False, default=_plain)
    return Response(text.encode(), status_code=status, media_type="application/json")


def _day(value: Any) -> date | None:
    return None if value is None else date.fromisoformat(str(value))


def _state(sandbox: "Sandbox", request: Request, body: dict[str, Any]) -> Any:
    del request, body
    return {
        "url": sandbox.url,
        "tenants": [tenant.id for tenant in sandbox.options.tenants],
        "companies": list(sandbox.erp.companies),
        "now": sandbox.clock.now(),
        "today": sandbox.clock.today(),
        "timezone": sandbox.options.timezone,
        "tables": table_sizes(sandbox),
    }


def table_sizes(sandbox: "Sandbox") -> dict[str, int]:
    """Rows per table."""
    database = sandbox.erp.database
    return {name: database.number(f"SELECT count(*) FROM {name}") for name in TABLES}


def _clock(sandbox: "Sandbox", request: Request, body: dict[str, Any]) -> Any:
    del request
    if "set" in body:
        moment = datetime.fromisoformat(str(body.pop("set")))
        sandbox.clock.set(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    if body:
        sandbox.clock.advance(**{unit: float(amount) for unit, amount in body.items()})
    return {"now": sandbox.clock.now(), "today": sandbox.clock.today()}


def _happening(name: str) -> Answer:
    def answer(sandbox: "Sandbox", request: Request, body: dict[str, Any]) -> Any:
        del request
        if "day" in body:
            body["day"] = _day(body["day"])
        if "keys" in body:
            body["keys"] = [tuple(key) for key in body["keys"]]
        happen = getattr(sandbox.erp, name)
        return {"keys": happen(**body)}

    return answer


def _set_field(sandbox: "Sandbox", request: Request, body: dict[str, Any]) -> Any:
    del request
    if "day" in body:
        body["day"] = _day(body["day"])
    sandbox.erp.set_field(**body)
    return {"changed": 1}


def _truth(sandbox: "Sandbox", request: Request, body: dict[str, Any]) -> Any:
    del body
    query = request.query_params
    return sandbox.erp.truth(
        request.path_params["entity"],
        query.get("company"),
        changed_from=_day(query.get("changed_from")),
        changed_until=_day(query.get("changed_until")),
    )


def _totals(sandbox: "Sandbox", request: Request, body: dict[str, Any]) -> Any:
    del request, body
    return sandbox.erp.totals()


def _faults(sandbox: "Sandbox", request: Request, body: dict[str, Any]) -> Any:
    if request.method == "DELETE":
        sandbox.faults.clear()
    elif request.method == "POST":
        sandbox.faults.add(Fault(**body))
    return [fault.describe() for fault in sandbox.faults]


def _requests(sandbox: "Sandbox", request: Request, body: dict[str, Any]) -> Any:
    del body
    last = int(request.query_params.get("last", "1000"))
    found = sandbox.journal.requests(request.query_params.get("tenant"))
    return [asdict(one) for one in found[-last:]]


def _counters(sandbox: "Sandbox", request: Request, body: dict[str, Any]) -> Any:
    del request, body
    return {
        tenant.id: {
            "requests": len(sandbox.requests(tenant.id)),
            "logins": sandbox.logins(tenant.id),
            "max_requests_in_60_seconds": sandbox.max_requests_in_any_span(tenant.id, 60.0),
        }
        for tenant in sandbox.options.tenants
    }


def _limits(sandbox: "Sandbox", request: Request, body: dict[str, Any]) -> Any:
    del request
    limits = sandbox.limits
    if "requests_per_minute" in body:
        given = body["requests_per_minute"]
        limits.requests_per_minute = None if given is None else int(given)
    if "retry_after" in body:
        limits.retry_after = bool(body["retry_after"])
    if "token_lifetime" in body:
        sandbox.tokens.lifetime = int(body["token_lifetime"])
    return asdict(limits) | {"token_lifetime": sandbox.tokens.lifetime}


def _switches(sandbox: "Sandbox", request: Request, body: dict[str, Any]) -> Any:
    del request
    names = {field.name for field in fields(Switches)}
    for name, value in body.items():
        if name not in names:
            raise ValueError(f"unknown switch {name!r}; there are {', '.join(sorted(names))}")
        setattr(sandbox.switches, name, set(value) if isinstance(value, list) else value)
    return asdict(sandbox.switches)


def _tokens(sandbox: "Sandbox", request: Request, body: dict[str, Any]) -> Any:
    del request
    if body.get("forget"):
        sandbox.tokens.forget_tokens()
    for tenant, refused in body.get("refuse", {}).items():
        sandbox.tokens.refuse_credentials(tenant, bool(refused))
    return {"done": True}


def _reset(sandbox: "Sandbox", request: Request, body: dict[str, Any]) -> Any:
    del request, body
    sandbox.reset()
    return {"done": True}


def _ionapi(sandbox: "Sandbox", request: Request, body: dict[str, Any]) -> Any:
    del body
    kind: Any = request.query_params.get("kind", "service_account")
    return json.loads(sandbox.ionapi_text(request.path_params["tenant"], kind))


#: Path → methods, and what answers.
_ROUTES: tuple[tuple[str, tuple[str, ...], Answer], ...] = (
    ("/_admin", ("GET",), _state),
    ("/_admin/clock", ("GET", "POST"), _clock),
    ("/_admin/change", ("POST",), _happening("change")),
    ("/_admin/touch", ("POST",), _happening("touch")),
    ("/_admin/insert", ("POST",), _happening("insert")),
    ("/_admin/delete", ("POST",), _happening("delete")),
    ("/_admin/set_field", ("POST",), _set_field),
    ("/_admin/truth/{entity}", ("GET",), _truth),
    ("/_admin/totals", ("GET",), _totals),
    ("/_admin/faults", ("GET", "POST", "DELETE"), _faults),
    ("/_admin/requests", ("GET",), _requests),
    ("/_admin/counters", ("GET",), _counters),
    ("/_admin/limits", ("GET", "POST"), _limits),
    ("/_admin/switches", ("GET", "POST"), _switches),
    ("/_admin/tokens", ("POST",), _tokens),
    ("/_admin/reset", ("POST",), _reset),
    ("/_admin/ionapi/{tenant}", ("GET",), _ionapi),
)


def build_admin(sandbox: "Sandbox") -> Starlette:
    """The admin application of a sandbox."""

    def endpoint(answer: Answer) -> Callable[[Request], Awaitable[Response]]:
        async def respond(request: Request) -> Response:
            try:
                raw = await request.body()
                body = json.loads(raw) if raw else {}
                if not isinstance(body, dict):
                    raise ValueError("the body must be a JSON object")  # noqa: TRY004 - all are 400
                return _json(answer(sandbox, request, body))
            except (KeyError, TypeError, ValueError) as error:
                return _json({"error": str(error)}, 400)

        return respond

    async def page(request: Request) -> Response:
        del request
        return HTMLResponse(render(sandbox, table_sizes(sandbox)))

    return Starlette(
        routes=[
            Route("/", page, methods=["GET"]),
            *(
                Route(path, endpoint(answer), methods=list(methods))
                for path, methods, answer in _ROUTES
            ),
        ]
    )
