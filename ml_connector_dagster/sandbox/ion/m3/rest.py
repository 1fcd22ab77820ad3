"""m3api-rest: URLs and options in, v1 and v2 answers out (reference cloudsuite-api §2.1 to §2.5)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

from ml_connector_dagster.sandbox.ion.m3 import version_1
from ml_connector_dagster.sandbox.ion.m3.contracts import Refused, TransactionNotFound
from ml_connector_dagster.sandbox.ion.m3.execute import CallOptions, Installation
from ml_connector_dagster.sandbox.ion.messages import ApiAnswer, ApiRequest, Named, json_answer


#: What a bulk POST may hold before the gateway gives up on it (reference §2.4, §5).
BULK_TRANSACTIONS = 100
BULK_BYTES = 32 * 1024

_BAD_REQUEST = ApiAnswer(status=400, body=b"Bad Request", content_type="text/plain")
_NOT_FOUND = json_answer({"error": "Not Found"}, 404, error="Not Found")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Url:
    """A URL below /M3, taken apart. ``program`` is "" for a bulk POST."""

    version: int
    program: str
    transaction: str
    matrix: dict[str, str]
    query: dict[str, str]
    inputs: dict[str, str]


def _parse_url(request: ApiRequest) -> _Url | None:
    path, *matrix_parts = request.path.split(";")
    segments = [unquote(segment) for segment in path.strip("/").split("/")]
    if segments[:1] != ["m3api-rest"]:
        return None
    segments = segments[1:]
    version = 2 if segments[:1] == ["v2"] else 1
    if version == 2:
        segments = segments[1:]
    if segments[:1] != ["execute"] or len(segments) not in {1, 3}:
        return None
    matrix = {
        unquote(name).lower(): unquote(value)
        for name, _, value in (part.partition("=") for part in matrix_parts)
    }
    # Input fields are upper case, options lower case; a cache buster (_rid) is neither.
    inputs = {name: value for name, value in request.query if name.isupper()}
    query = {name: value for name, value in request.query if not name.isupper()}
    return _Url(
        version=version,
        program=segments[1] if len(segments) == 3 else "",
        transaction=segments[2] if len(segments) == 3 else "",
        matrix=matrix,
        query=query,
        inputs=inputs,
    )


def _flag(value: str | None) -> bool:
    return value is not None and value.strip().lower() == "true"


def _options(url: _Url, *, query_maxrecs_ignored: bool) -> CallOptions:
    query = dict(url.query)
    if query_maxrecs_ignored:
        query.pop("maxrecs", None)
    given = (query if url.version == 2 else {}) | url.matrix
    columns = given.get("returncols", "")
    return CallOptions(
        maxrecs=max(0, int(given.get("maxrecs") or 100)),
        columns=tuple(name.strip() for name in columns.split(",")) if columns else None,
        company=given.get("cono", ""),
        division=given.get("divi"),
        exclude_empty=_flag(given.get("excludempty")) or _flag(given.get("excludeempty")),
        right_trim=_flag(given.get("righttrim")) and url.version == 2,
        date_format=given.get("dateformat", ""),
        extended=_flag(given.get("extendedresult")),
        pretty=given.get("format", "").upper() == "PRETTY",
    )


def padded_message(refusal: Refused) -> str:
    """Code and field are repeated inside the message, blank-padded, as the real one does."""
    return f"{refusal.message}          {refusal.code} {refusal.field:<10}"


def _error_fields(refusal: Refused) -> dict[str, str]:
    return {
        "errorMessage": padded_message(refusal),
        "errorType": "ServerReturnedNOK",
        "errorCode": refusal.code,
        "errorCfg": "",
        "errorField": f"{refusal.field:<10}",
    }


def _envelope(results: list[dict[str, Any]], good: int, bad: int) -> dict[str, Any]:
    return {
        "results": results,
        "wasTerminated": False,
        "nrOfSuccessfullTransactions": good,
        "nrOfFailedTransactions": bad,
    }


class M3:
    """The M3 suite of the gateway."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation

    def named(self, request: ApiRequest) -> Named:
        """What the call is about."""
        url = _parse_url(request)
        if url is None:
            return Named()
        if url.program:
            company = (
                url.inputs.get("CONO") or url.matrix.get("cono") or url.query.get("cono") or ""
            )
            return Named(program=url.program, transaction=url.transaction, company=company)
        content = _bulk_content(request)
        transactions = content.get("transactions")
        first = transactions[0] if isinstance(transactions, list) and transactions else {}
        return Named(
            program=str(content.get("program", "")),
            transaction=str(first.get("transaction", "")) if isinstance(first, dict) else "",
            company=str(content.get("cono", "") or url.query.get("cono", "")),
        )

    def answer(self, request: ApiRequest, *, terminate_after: int | None = None) -> ApiAnswer:
        """Answer a call. ``terminate_after`` ends a bulk POST after so many transactions."""
        url = _parse_url(request)
        if url is None:
            return _NOT_FOUND
        if url.version == 2 and not url.program:
            if request.method != "POST":
                return json_answer({"error": "Method Not Allowed"}, 405, error="405")
            return self._bulk(request, url, terminate_after)
        if request.method != "GET" or not url.program:
            return json_answer({"error": "Method Not Allowed"}, 405, error="405")
        if url.version == 2 and _flag(url.matrix.get("metadata")):
            return _BAD_REQUEST
        switches = self._installation.switches
        try:
            options = _options(url, query_maxrecs_ignored=switches.query_maxrecs_ignored)
        except ValueError:
            return _BAD_REQUEST
        as_json = url.version == 2 or "json" in request.headers.get("accept", "")
        try:
            records = self._installation.execute(url.program, url.transaction, options, url.inputs)
        except TransactionNotFound as missing:
            return json_answer(
                {
                    "errorMessage": str(missing),
                    "errorType": "TransactionNotFound",
                    "errorCode": "",
                    "errorField": "",
                },
                400,
                error="TransactionNotFound",
            )
        except Refused as refusal:
            return self._refusal(url, refusal, as_json=as_json)
        if url.version == 2:
            result: dict[str, Any] = {
                "transaction": url.transaction,
                "records": records.dictionaries(),
            }
            if options.extended:
                result["parameters"] = dict(records.parameters)
            return json_answer(
                _envelope([result], 1, 0), rows=len(records.rows), pretty=options.pretty
            )
        return version_1.records(
            url.program,
            url.transaction,
            records,
            as_json=as_json,
            with_metadata=_flag(url.matrix.get("metadata")),
        )

    def error_in_200(self, named: Named, message: str) -> ApiAnswer:
        """Not OK, with HTTP status 200."""
        fields = _error_fields(Refused(message))
        return json_answer(
            _envelope([{"transaction": named.transaction, **fields}], 0, 1), error=message
        )

    def _refusal(self, url: _Url, refusal: Refused, *, as_json: bool) -> ApiAnswer:
        error = f"{refusal.code} {refusal.message}"
        if url.version == 2:
            fields = _error_fields(refusal)
            if self._installation.switches.errors_as_400:
                return json_answer(fields, 400, error=error)
            return json_answer(
                _envelope([{"transaction": url.transaction, **fields}], 0, 1), error=error
            )
        return version_1.refusal(refusal, padded_message(refusal), as_json=as_json)

    def _bulk(self, request: ApiRequest, url: _Url, terminate_after: int | None) -> ApiAnswer:
        content = _bulk_content(request)
        transactions = content.get("transactions")
        program = content.get("program")
        if not isinstance(program, str) or not isinstance(transactions, list) or not transactions:
            return _BAD_REQUEST
        too_large = len(transactions) > BULK_TRANSACTIONS or len(request.body) > BULK_BYTES
        if too_large and self._installation.switches.bulk_timeouts:
            return json_answer({"error": "Gateway Timeout"}, 504, error="bulk too large")
        query = url.query
        try:
            options = CallOptions(
                maxrecs=max(0, int(content.get("maxReturnedRecords", query.get("maxrecs", 100)))),
                company=str(content.get("cono", query.get("cono", ""))),
                division=content.get("divi", query.get("divi")),
                exclude_empty=_truth(
                    content.get("excludeEmptyValues", query.get("excludeempty", False))
                ),
                right_trim=_truth(content.get("rightTrim", query.get("righttrim", False))),
                date_format=str(content.get("dateFormat", query.get("dateformat", ""))),
                extended=_truth(content.get("extendedResult", query.get("extendedresult", False))),
            )
        except (TypeError, ValueError):
            return _BAD_REQUEST
        results: list[dict[str, Any]] = []
        good = bad = rows = 0
        for index, one in enumerate(transactions):
            if not isinstance(one, dict) or not isinstance(one.get("transaction"), str):
                return _BAD_REQUEST
            name = one["transaction"]
            if terminate_after is not None and index >= terminate_after:
                results.append({"transaction": name, "notProcessed": True})
                continue
            result, count = self._one_of_bulk(program, name, one, options)
            results.append(result)
            rows += count
            good, bad = (good, bad + 1) if "errorMessage" in result else (good + 1, bad)
        answer = _envelope(results, good, bad)
        answer["nrOfNotProcessedTransactions"] = len(transactions) - good - bad
        error = f"{bad} of {len(transactions)} failed" if bad else ""
        if terminate_after is not None and terminate_after < len(transactions):
            answer["wasTerminated"] = True
            answer["terminationReason"] = "The server was stopped while it worked on the request"
            answer["terminationErrorType"] = "ServerTerminated"
            error = "terminated"
        return json_answer(answer, rows=rows, error=error)

    def _one_of_bulk(
        self, program: str, name: str, one: Mapping[str, Any], options: CallOptions
    ) -> tuple[dict[str, Any], int]:
        record = one.get("record") or {}
        given = {key: str(value) for key, value in record.items() if value is not None}
        wanted = one.get("selectedColumns")
        result: dict[str, Any] = {"transaction": name}
        if options.extended:
            result["parameters"] = given
        try:
            records = self._installation.execute(
                program, name, replace(options, columns=tuple(wanted) if wanted else None), given
            )
        except TransactionNotFound as missing:
            return (
                result
                | {
                    "errorMessage": str(missing),
                    "errorType": "TransactionNotFound",
                    "errorCode": "",
                    "errorField": "",
                },
                0,
            )
        except Refused as refusal:
            return result | _error_fields(refusal), 0
        return result | {"records": records.dictionaries()}, len(records.rows)


def _truth(value: object) -> bool:
    return value is True or str(value).lower() == "true"


def _bulk_content(request: ApiRequest) -> dict[str, Any]:
    try:
        content = json.loads(request.body)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
