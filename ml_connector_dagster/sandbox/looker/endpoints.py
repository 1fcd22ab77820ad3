"""The calls of the API: path, activity type (what it is billed as), and what it answers.

Paths, activity types and shapes are those of Looker's OpenAPI file (4.0); the tests hold the answers against it.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ml_connector_dagster.sandbox.looker.answers import FORMATS, as_json, rendered
from ml_connector_dagster.sandbox.looker.catalog import about_explore, about_model
from ml_connector_dagster.sandbox.looker.compiler import Query
from ml_connector_dagster.sandbox.looker.faults import Fault
from ml_connector_dagster.sandbox.looker.instance import Instance, Session
from ml_connector_dagster.sandbox.looker.refusals import Refused, invalid, not_found


_JSON: Final = "application/json; charset=utf-8"
_QUERY_FIELDS: Final = frozenset(
    {
        *("model", "view", "fields", "pivots", "fill_fields", "filters", "filter_expression"),
        *("sorts", "limit", "column_limit", "total", "row_total", "subtotals", "vis_config"),
        *("filter_config", "visible_ui_sections", "dynamic_fields", "client_id"),
        "query_timezone",
    }
)
#: Of these, what changes the rows and is not simulated.
_NOT_SIMULATED: Final = (
    *("pivots", "fill_fields", "filter_expression", "total", "row_total", "subtotals"),
    "dynamic_fields",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call that has passed the login. ``path`` are the parts that the endpoint leaves open."""

    instance: Instance
    session: Session
    path: Mapping[str, str]
    arguments: Mapping[str, str]
    body: Any = None
    fault: Fault | None = None

    def object(self) -> Mapping[str, Any]:
        """The body, if it is a JSON object; else Refused."""
        if not isinstance(self.body, Mapping):
            raise Refused(400, "The body must be a JSON object")
        return self.body


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer over HTTP."""

    status: int = 200
    body: bytes = b""
    content_type: str = _JSON
    headers: Mapping[str, str] = field(default_factory=dict)


def told(content: object, status: int = 200) -> Reply:
    """A JSON answer."""
    return Reply(status=status, body=as_json(content))


def _some(call: Call, content: dict[str, Any]) -> dict[str, Any]:
    """The fields that were asked for."""
    wanted = call.arguments.get("fields", "")
    names = {re.split(r"[(/]", one.strip())[0] for one in wanted.split(",") if one.strip()}
    return {k: v for k, v in content.items() if k in names} if names else content


def _logout(call: Call) -> Reply:
    call.instance.log_out(call.session)
    return Reply(status=204)


def _user(call: Call) -> Reply:
    about = {"id": "1", "display_name": "ML Connector", "first_name": "ML", "is_disabled": False}
    return told(_some(call, about))


def _session(call: Call) -> Reply:
    if call.body is not None:
        for name, value in call.object().items():
            if name != "workspace_id" or value not in ("production", "dev"):
                raise invalid(name, "is read only or unknown")
            call.session.workspace = value
    return told({"workspace_id": call.session.workspace, "can": {}})


def _inline_query(call: Call) -> Reply:
    body = call.object()
    form = call.path["format"]
    if form not in FORMATS:
        raise Refused(400, f"Invalid result format: {form}")
    for name, value in body.items():
        if name not in _QUERY_FIELDS:
            raise invalid(name, "is read only or unknown")
        if value and name in _NOT_SIMULATED:
            raise Refused(400, f"{name} is not simulated here")
    for name in ("model", "view"):
        if not body.get(name):
            raise invalid(name, "cannot be blank", "missing_field")
    stale = call.fault is not None and call.fault.kind == "stale"
    answer = call.instance.queries.ask(
        str(body["model"]),
        str(body["view"]),
        _query(body, call.arguments.get("limit")),
        cache=call.arguments.get("cache", "true").lower() != "false",
        keep=form == "json_detail",
        stale=stale,
    )
    content, content_type = rendered(answer, form)
    return Reply(body=content, content_type=content_type)


def _query(body: Mapping[str, Any], argument: str | None) -> Query:
    limit = argument if argument is not None else body.get("limit") or "500"
    if not re.fullmatch(r"-1|\d+", str(limit)):
        raise invalid("limit", "must be a number")
    number = int(limit)
    filters = body.get("filters") or {}
    fields, sorts = body.get("fields") or (), body.get("sorts") or ()
    if not isinstance(filters, Mapping) or not all(
        isinstance(one, list | tuple) for one in (fields, sorts)
    ):
        raise Refused(400, "fields and sorts are lists, filters is an object")
    return Query(
        fields=tuple(str(one) for one in fields),
        filters={str(name): str(value) for name, value in filters.items()},
        sorts=tuple(str(one) for one in sorts),
        limit=None if number < 0 else number,
    )


def _prepare_sql(call: Call) -> Reply:
    body = call.object()
    for name in body:
        if name not in ("connection_name", "connection_id", "model_name", "sql", "vis_config"):
            raise invalid(name, "is read only or unknown")
    connection = body.get("connection_name") or body.get("connection_id")
    if not connection and body.get("model_name"):
        connection = call.instance.queries.model(str(body["model_name"])).connection
    if not connection:
        raise invalid("connection_name", "connection_name or model_name is needed", "missing_field")
    if not body.get("sql"):
        raise invalid("sql", "cannot be blank", "missing_field")
    statement = call.instance.prepare(str(connection), str(body["sql"]))
    return told(_about_sql(call.instance, statement.slug))


def _about_sql(instance: Instance, slug: str) -> dict[str, Any]:
    if slug not in instance.statements:
        raise not_found()
    one = instance.statements[slug]
    return {
        "slug": one.slug,
        "sql": one.sql,
        "run_count": len(one.runs),
        "connection": {"name": one.connection},
        "can": {},
    }


def _sql(call: Call) -> Reply:
    return told(_about_sql(call.instance, call.path["slug"]))


def _run_sql(call: Call) -> Reply:
    content, content_type = rendered(call.instance.run(call.path["slug"]), call.path["format"])
    return Reply(body=content, content_type=content_type)


def _datagroups(call: Call) -> Reply:
    return told([one.body() for one in call.instance.queries.datagroups])


def _datagroup(call: Call) -> Reply:
    return told(call.instance.queries.datagroup(call.path["id"]).body())


def _update_datagroup(call: Call) -> Reply:
    return told(call.instance.queries.update(call.path["id"], call.object()).body())


def _plans(call: Call) -> Reply:
    return told([_some(call, one) for one in call.instance.plans.every()])


def _plan(call: Call) -> Reply:
    return told(_some(call, call.instance.plans.get(call.path["id"])))


def _create_plan(call: Call) -> Reply:
    return told(call.instance.plans.create(call.object()))


def _delete_plan(call: Call) -> Reply:
    call.instance.plans.delete(call.path["id"])
    return Reply(status=204)


def _run_once(call: Call) -> Reply:
    changes = {} if call.body is None else call.object()
    breaks = call.fault is not None and call.fault.kind == "broken_plan"
    return told(call.instance.plans.run_once(call.path["id"], changes, breaks=breaks))


def _models(call: Call) -> Reply:
    models = call.instance.queries.project.project().models.values()
    project = call.instance.options.project
    return told([_some(call, about_model(one, project)) for one in models])


def _model(call: Call) -> Reply:
    found = call.instance.queries.model(call.path["model"])
    return told(_some(call, about_model(found, call.instance.options.project)))


def _explore(call: Call) -> Reply:
    queries = call.instance.queries
    model = queries.model(call.path["model"])
    explore = queries.explore(call.path["model"], call.path["explore"])
    return told(_some(call, about_explore(explore, model, call.instance.options.project)))


def _connection_body(call: Call, name: str) -> dict[str, Any]:
    database = call.instance.databases.get(name)
    if database is None:
        raise not_found()
    return {"name": name, "dialect_name": database.dialect, "pdts_enabled": False, "can": {}}


def _connections(call: Call) -> Reply:
    return told([_some(call, _connection_body(call, name)) for name in call.instance.databases])


def _connection(call: Call) -> Reply:
    return told(_some(call, _connection_body(call, call.path["name"])))


def _test_connection(call: Call) -> Reply:
    name = call.path["name"]
    _connection_body(call, name)
    there = call.instance.databases[name].exists
    result: dict[str, Any] = {
        "name": "connect",
        "status": "success" if there else "error",
        "message": "Can connect" if there else "Cannot connect",
        "connection_string": "",
        "can": {},
    }
    return told([result])


def _project(call: Call) -> Reply:
    _require_project(call)
    return told({"id": call.path["project"], "name": call.path["project"], "can": {}})


def _validate(call: Call) -> Reply:
    _require_project(call)
    project = call.instance.queries.project.project()
    errors: list[dict[str, Any]] = [
        {
            "code": "lookml_error",
            "severity": "error",
            "kind": "syntax",
            "message": message,
            "file_path": file,
            "line_number": None,
            "params": {},
        }
        for file, message in project.errors
    ]
    return told(
        {
            "errors": errors,
            "project_digest": "",
            "models_not_validated": [],
            "computation_time": 0.0,
        }
    )


def _require_project(call: Call) -> None:
    if call.path["project"] != call.instance.options.project:
        raise not_found()


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """``activity``: db_query, non_query or none, as the OpenAPI file marks the operation."""

    method: str
    path: re.Pattern[str]
    activity: str
    answer: Callable[[Call], Reply]


def _endpoint(call: str, activity: str, answer: Callable[[Call], Reply]) -> Endpoint:
    method, _, path = call.partition(" ")
    pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)
    return Endpoint(method=method, path=re.compile(pattern), activity=activity, answer=answer)


ENDPOINTS: Final = (
    _endpoint("DELETE /logout", "none", _logout),
    _endpoint("GET /user", "non_query", _user),
    _endpoint("GET /session", "non_query", _session),
    _endpoint("PATCH /session", "non_query", _session),
    _endpoint("POST /queries/run/{format}", "db_query", _inline_query),
    _endpoint("POST /sql_queries", "db_query", _prepare_sql),
    _endpoint("GET /sql_queries/{slug}", "db_query", _sql),
    _endpoint("POST /sql_queries/{slug}/run/{format}", "db_query", _run_sql),
    _endpoint("GET /datagroups", "non_query", _datagroups),
    _endpoint("GET /datagroups/{id}", "non_query", _datagroup),
    _endpoint("PATCH /datagroups/{id}", "non_query", _update_datagroup),
    _endpoint("GET /scheduled_plans", "db_query", _plans),
    _endpoint("POST /scheduled_plans", "db_query", _create_plan),
    _endpoint("GET /scheduled_plans/{id}", "db_query", _plan),
    _endpoint("DELETE /scheduled_plans/{id}", "db_query", _delete_plan),
    _endpoint("POST /scheduled_plans/{id}/run_once", "db_query", _run_once),
    _endpoint("GET /lookml_models", "non_query", _models),
    _endpoint("GET /lookml_models/{model}", "non_query", _model),
    _endpoint("GET /lookml_models/{model}/explores/{explore}", "non_query", _explore),
    _endpoint("GET /connections", "non_query", _connections),
    _endpoint("GET /connections/{name}", "non_query", _connection),
    _endpoint("PUT /connections/{name}/test", "non_query", _test_connection),
    _endpoint("GET /projects/{project}", "non_query", _project),
    _endpoint("POST /projects/{project}/validate", "non_query", _validate),
)
