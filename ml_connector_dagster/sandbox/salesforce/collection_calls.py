"""sObject Collections: up to 200 records in a call, each with a result of its own.

developer.salesforce.com, api-rest: resources-composite-sobjects-collections.
"""

from collections.abc import Sequence
from typing import Any, Final

from ml_connector_dagster.sandbox.salesforce import wire
from ml_connector_dagster.sandbox.salesforce.calls import Call, Reply
from ml_connector_dagster.sandbox.salesforce.changes import read_json
from ml_connector_dagster.sandbox.salesforce.fields import Field, SObject
from ml_connector_dagster.sandbox.salesforce.records import Records
from ml_connector_dagster.sandbox.salesforce.refusals import ApiError, not_found
from ml_connector_dagster.sandbox.salesforce.schema import Schema
from ml_connector_dagster.sandbox.salesforce.writes import Operation, Saved, Write, Writes


#: Records of one call.
MOST_RECORDS: Final = 200


class Collections:
    """Create, update, upsert and delete of several records of one object."""

    def __init__(self, schema: Schema, records: Records, writes: Writes) -> None:
        self._schema = schema
        self._records = records
        self._writes = writes

    def answer(self, call: Call, parts: Sequence[str]) -> Reply:
        """A call to ``composite/sobjects``. Raises ApiError."""
        match (call.method, *parts):
            case ("PATCH", name, key_name):
                sobject = object_of(self._schema, name)
                write = Write(
                    sobject=sobject, operation="upsert", key=key_of(self._schema, sobject, key_name)
                )
                return self._many(call, write)
            case ("POST",) | ("PATCH",):
                operation: Operation = "insert" if call.method == "POST" else "update"
                return self._many(call, Write(sobject=self._common(call), operation=operation))
            case ("DELETE",):
                return self._delete_many(call)
        raise not_found()

    def _many(self, call: Call, write: Write) -> Reply:
        body = self._collection(call)
        records = body["records"]
        changes = []
        for record in records:
            attributes = record.get("attributes") if isinstance(record, dict) else None
            kind = attributes.get("type") if isinstance(attributes, dict) else None
            if kind is None:
                raise ApiError(400, "INVALID_INPUT", "Include an attributes.type in each record")
            if str(kind).lower() != write.sobject.name.lower():
                raise ApiError(400, "INVALID_INPUT", f"Mixed or wrong types of records: {kind}")
            if write.operation == "upsert" and any(name.lower() == "id" for name in record):
                raise ApiError(
                    400, "INVALID_INPUT", "Don't set the id: the external ID finds the record"
                )
            changes.append(read_json(self._schema, write.sobject, record))
        all_or_none = body.get("allOrNone", False) is True
        write = with_headers(write, call, all_or_none=all_or_none)
        saved = self._writes.save(write, changes)
        return Reply(content=[one.body(write.operation) for one in saved])

    def _collection(self, call: Call) -> dict[str, Any]:
        body = wire.read(call.body)
        if not isinstance(body, dict) or not isinstance(body.get("records"), list):
            raise ApiError(400, "JSON_PARSER_ERROR", "The Collections call needs records")
        if unknown := set(body) - {"allOrNone", "records"}:
            raise ApiError(400, "JSON_PARSER_ERROR", f'Unrecognized field "{min(unknown)}"')
        if len(body["records"]) > MOST_RECORDS:
            raise ApiError(
                400,
                "EXCEEDED_ID_LIMIT",
                "record limit reached. cannot submit more than 200 records into this call",
            )
        if not body["records"]:
            raise ApiError(400, "INVALID_INPUT", "The records list is empty")
        return body

    def _common(self, call: Call) -> SObject:
        """The object of the first record: create and update of several types at once are not simulated."""
        first = self._collection(call)["records"][0]
        return object_of(self._schema, str(first.get("attributes", {}).get("type", "")))

    def _delete_many(self, call: Call) -> Reply:
        ids = [one for one in call.query.get("ids", "").split(",") if one]
        if not ids or len(ids) > MOST_RECORDS:
            raise ApiError(400, "EXCEEDED_ID_LIMIT", "between 1 and 200 ids are needed")
        told = []
        for record_id in ids:
            sobject = self._records.object_of(self._schema.objects.values(), record_id)
            if sobject is None:
                raise not_found()
            told.append(
                Saved(id=record_id, error=self._writes.delete(sobject, record_id)).body("update")
            )
        return Reply(content=told)


def with_headers(write: Write, call: Call, *, all_or_none: bool = False) -> Write:
    """``write`` as the call's headers have it."""
    allowed = "allowsave=true" in call.headers.get("sforce-duplicate-rule-header", "").lower()
    return Write(
        sobject=write.sobject,
        operation=write.operation,
        key=write.key,
        all_or_none=all_or_none,
        allow_duplicates=allowed,
    )


def object_of(schema: Schema, name: str) -> SObject:
    """The object that a path names. Raises ApiError."""
    found = schema.find(name)
    if found is None:
        raise not_found()
    return found


def key_of(schema: Schema, sobject: SObject, name: str) -> Field:
    """The external id that a path names. Raises ApiError."""
    found = schema.field(sobject, name)
    if found is None or not found.external_id:
        raise ApiError(
            404,
            "NOT_FOUND",
            f"Provided external ID field does not exist or is not accessible: {name}",
        )
    return found
