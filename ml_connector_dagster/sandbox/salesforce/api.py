"""The REST resources under /services/data/vNN.N: what each call does, apart from HTTP.

developer.salesforce.com, api-rest. Paths arrive in their parts, each part decoded by itself, so that a key may hold a
slash that was sent as %2F.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

from ml_connector_dagster.sandbox.salesforce import wire
from ml_connector_dagster.sandbox.salesforce.bulk import BulkJobs
from ml_connector_dagster.sandbox.salesforce.calls import Call, Reply
from ml_connector_dagster.sandbox.salesforce.changes import read_json
from ml_connector_dagster.sandbox.salesforce.collection_calls import (
    Collections,
    key_of,
    object_of,
    with_headers,
)
from ml_connector_dagster.sandbox.salesforce.deployments import Deployments, refuse_without_rights
from ml_connector_dagster.sandbox.salesforce.fields import Field, SObject
from ml_connector_dagster.sandbox.salesforce.multipart import parts_of
from ml_connector_dagster.sandbox.salesforce.options import OrgOptions
from ml_connector_dagster.sandbox.salesforce.records import Records, Row
from ml_connector_dagster.sandbox.salesforce.refusals import ApiError, not_found
from ml_connector_dagster.sandbox.salesforce.schema import Schema
from ml_connector_dagster.sandbox.salesforce.soql import Queries
from ml_connector_dagster.sandbox.salesforce.writes import Write, Writes


#: URL and headers together, in bytes.
LONGEST_URL: Final = 16_384


class Api:
    """The resources."""

    def __init__(
        self,
        options: OrgOptions,
        schema: Schema,
        records: Records,
        writes: Writes,
        bulk: BulkJobs,
        deployments: Deployments,
        identity_url: str,
    ) -> None:
        self._identity_url = identity_url
        self._options = options
        self._schema = schema
        self._records = records
        self._writes = writes
        self._bulk = bulk
        self._deployments = deployments
        self._collections = Collections(schema, records, writes)
        self._queries = Queries(schema, records)
        self._cursors: dict[str, tuple[int, list[dict[str, object]], int]] = {}

    def answer(self, call: Call, used: int) -> Reply:
        """Do one call. ``used``: API requests so far. Raises ApiError."""
        match (call.method, *call.parts):
            case ("GET",):
                root = f"/services/data/v{call.version}"
                names = ("sobjects", "query", "limits", "jobs", "composite", "metadata")
                told = {name: f"{root}/{name}" for name in names}
                return Reply(content=told | {"identity": self._identity_url})
            case ("GET", "sobjects"):
                seen = [self._schema.summary(one) for one in self._seen()]
                return Reply(content={"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": seen})
            case ("GET", "sobjects", name, "describe"):
                return Reply(content=self._schema.describe(object_of(self._schema, name)))
            case ("GET", "limits"):
                return Reply(content=self._limits(used))
            case ("GET", "query" | "queryAll"):
                return self._query(call)
            case ("GET", "query" | "queryAll", cursor):
                return self._more(call, cursor)
            case (_, "sobjects", *rest) if rest:
                return self._rows(call, rest)
            case (_, "composite", "sobjects", *rest):
                return self._collections.answer(call, rest)
            case (_, "jobs", "ingest", *rest):
                return self._jobs(call, rest)
            case (_, "metadata", "deployRequest", *rest):
                return self._deploy(call, rest)
        raise not_found()

    # --- Queries ----------------------------------------------------------------------------------

    def _query(self, call: Call) -> Reply:
        text = call.query.get("q")
        if text is None:
            raise ApiError(400, "MALFORMED_QUERY", "A query string has to be specified")
        with self._writes.lock:
            total, rows = self._queries.run(text, call.version)
        asked = re.search(r"batchSize=(\d+)", call.headers.get("sforce-query-options", ""))
        size = self._options.query_batch if asked is None else max(200, min(2000, int(asked[1])))
        locator = self._records.new_id("01g")
        self._cursors[locator] = (total, rows, size)
        return self._page(call, locator, 0)

    def _more(self, call: Call, cursor: str) -> Reply:
        locator, _, start = cursor.partition("-")
        if locator not in self._cursors or not start.isdigit():
            raise ApiError(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        return self._page(call, locator, int(start))

    def _page(self, call: Call, locator: str, start: int) -> Reply:
        total, rows, size = self._cursors[locator]
        end = start + size
        told: dict[str, object] = {
            "totalSize": total,
            "done": end >= len(rows),
            "records": rows[start:end],
        }
        if end < len(rows):
            told["nextRecordsUrl"] = f"/services/data/v{call.version}/query/{locator}-{end}"
        else:
            del self._cursors[locator]
        return Reply(content=told)

    # --- Single records -----------------------------------------------------------------------------

    def _rows(self, call: Call, parts: Sequence[str]) -> Reply:
        sobject = object_of(self._schema, parts[0])
        match (call.method, *parts[1:]):
            case ("POST",):
                return self._single(call, Write(sobject=sobject, operation="insert"), {})
            case ("GET", record_id):
                return Reply(content=self._read(sobject, self._id(sobject, record_id), call))
            case ("PATCH", record_id):
                write = Write(sobject=sobject, operation="update")
                return self._single(call, write, {"Id": self._id(sobject, record_id)})
            case ("DELETE", record_id):
                error = self._writes.delete(sobject, self._id(sobject, record_id))
                if error is not None:
                    raise ApiError(403, error.code, error.message)
                return Reply(status=204)
            case ("GET", key_name, value):
                key = key_of(self._schema, sobject, key_name)
                ids = self._found(sobject, key, value)
                return Reply(content=self._read(sobject, ids[0], call))
            case ("PATCH", key_name, value):
                key = key_of(self._schema, sobject, key_name)
                self._found(sobject, key, value, needed=False)
                write = Write(sobject=sobject, operation="upsert", key=key)
                return self._single(call, write, {key.name: value})
        raise not_found()

    def _found(self, sobject: SObject, key: Field, value: str, *, needed: bool = True) -> list[str]:
        """Ids by key; 300 with their URLs when there are several."""
        ids = self._records.table(sobject).find(key, value)
        if len(ids) > 1:
            raise Several(
                [
                    f"/services/data/v{self._options.newest_version}.0/sobjects/{sobject.name}/{one}"
                    for one in ids
                ]
            )
        if needed and not ids:
            raise not_found()
        return ids

    def _single(self, call: Call, write: Write, given: dict[str, Any]) -> Reply:
        record = wire.read(call.body)
        if not isinstance(record, dict):
            raise ApiError(
                400, "JSON_PARSER_ERROR", "The HTTP entity body is required to be an object"
            )
        record = {name: value for name, value in record.items() if name not in given}
        change = read_json(self._schema, write.sobject, record | given)
        [saved] = self._writes.save(with_headers(write, call), [change])
        if saved.error is not None:
            error = saved.error
            raise ApiError(400, error.code, error.message, fields=error.fields)
        if write.operation == "update":
            return Reply(status=204)
        created = saved.created or write.operation == "insert"
        return Reply(status=201 if created else 200, content=saved.body(write.operation))

    def _read(self, sobject: SObject, record_id: str, call: Call) -> dict[str, object]:
        row = self._records.table(sobject).rows[record_id]
        asked = call.query.get("fields", "")
        names = asked.split(",") if asked else [one.name for one in self._schema.visible(sobject)]
        url = f"/services/data/v{call.version}/sobjects/{sobject.name}/{record_id}"
        told: dict[str, object] = {"attributes": {"type": sobject.name, "url": url}}
        for name in names:
            one = self._schema.field(sobject, name)
            if one is None:
                raise ApiError(
                    400, "INVALID_FIELD", f"No such column '{name}' on entity '{sobject.name}'"
                )
            told[one.name] = row.get(one.name)
        return told

    # --- Jobs, deployments, limits --------------------------------------------------------------------

    def _jobs(self, call: Call, parts: Sequence[str]) -> Reply:
        match (call.method, *parts):
            case ("POST",):
                return Reply(content=self._bulk.create(wire.read(call.body), call.version))
            case ("GET",):
                return Reply(content=self._bulk.listing())
            case ("PUT", job_id, "batches"):
                self._bulk.upload(job_id, call.headers.get("content-type", ""), call.body)
                return Reply(status=201)
            case ("PATCH", job_id):
                return Reply(content=self._bulk.change(job_id, wire.read(call.body).get("state")))
            case ("GET", job_id):
                return Reply(content=self._bulk.get(job_id))
            case ("DELETE", job_id):
                self._bulk.delete(job_id)
                return Reply(status=204)
            case ("GET", job_id, kind):
                # Without a charset, as the real answer: whoever guesses, guesses wrong.
                return Reply(content=self._bulk.results(job_id, kind), content_type="text/csv")
        raise not_found()

    def _deploy(self, call: Call, parts: Sequence[str]) -> Reply:
        refuse_without_rights(self._options.may_customize)
        match (call.method, *parts):
            case ("POST",):
                sent = parts_of(call.headers.get("content-type", ""), call.body)
                options = wire.read(sent.get("json", b"{}")).get("deployOptions", {})
                with self._writes.lock:
                    told = self._deployments.deploy(sent.get("file", b""), options)
                return Reply(status=201, content=told)
            case ("GET", deployment_id):
                return Reply(content=self._deployments.get(deployment_id))
        raise not_found()

    def _limits(self, used: int) -> dict[str, object]:
        most = self._options.daily_requests
        return {
            "DailyApiRequests": {"Max": most, "Remaining": max(0, most - used)},
            "DailyBulkApiBatches": {"Max": 15_000, "Remaining": 15_000},
            "DailyBulkV2QueryJobs": {"Max": 10_000, "Remaining": 10_000},
            "DataStorageMB": {"Max": 1_024, "Remaining": 1_024},
        }

    # --- What paths name ------------------------------------------------------------------------------

    def _seen(self) -> list[SObject]:
        return [one for one in self._schema.objects.values() if self._schema.may(one, "r")]

    def _id(self, sobject: SObject, text: str) -> str:
        found = self._records.table(sobject).by_id(text)
        if found is None:
            raise not_found()
        return found

    def granted(self, sobject: SObject, row: Row) -> None:
        """An assignment of a permission set takes effect when it is saved."""
        if sobject.name != "PermissionSetAssignment":
            return
        sets = self._records.table(self._schema.objects["PermissionSet"]).rows
        self._deployments.assign(str(sets[str(row["PermissionSetId"])]["Name"]))


class Several(Exception):
    """HTTP 300: a key found several records."""

    def __init__(self, urls: list[str]) -> None:
        super().__init__("more than one record")
        self.urls = urls
