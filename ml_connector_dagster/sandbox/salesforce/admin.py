"""Faults by HTTP, for whoever runs the stand-in in another process: ``/_salesforce/faults``.

GET     what is armed, and how often it has hit
POST    arm one: its fields as JSON, like {"kind": "status", "status": 503, "path": "composite", "times": 2}
DELETE  disarm everything
"""

from dataclasses import fields
from typing import Final

from ml_connector_dagster.sandbox.salesforce import wire
from ml_connector_dagster.sandbox.salesforce.calls import Reply
from ml_connector_dagster.sandbox.salesforce.faults import Fault, Faults
from ml_connector_dagster.sandbox.salesforce.refusals import ApiError, not_found


FAULTS_PATH: Final = "/_salesforce/faults"
_COUNTERS: Final = ("seen", "fired")
_SETTINGS: Final = tuple(
    one.name for one in fields(Fault) if one.name not in (*_COUNTERS, "released")
)


def administer(faults: Faults, method: str, body: bytes) -> Reply:
    """A call to the route. Raises ApiError for a fault that there is not."""
    if method == "GET":
        return Reply(content=[_told(one) for one in faults])
    if method == "DELETE":
        faults.clear()
        return Reply(status=204)
    if method != "POST":
        raise not_found()
    asked = wire.read(body)
    if not isinstance(asked, dict) or not set(asked) <= set(_SETTINGS):
        raise ApiError(400, "INVALID_INPUT", f"a fault is an object of {', '.join(_SETTINGS)}")
    try:
        return Reply(status=201, content=_told(faults.add(Fault(**asked))))
    except (TypeError, ValueError) as error:
        raise ApiError(400, "INVALID_INPUT", str(error)) from error


def _told(fault: Fault) -> dict[str, object]:
    return {name: getattr(fault, name) for name in (*_SETTINGS, *_COUNTERS)}
