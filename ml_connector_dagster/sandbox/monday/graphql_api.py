"""One call of ``POST /v2``: who calls, what may they use, is the query right, what does it answer."""

import json
import re
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    execute_sync,
    get_operation_ast,
    parse,
    validate,
)
from graphql.language import ast

from ml_connector_dagster.sandbox.monday.account import Account
from ml_connector_dagster.sandbox.monday.complexity import Costs, root_fields
from ml_connector_dagster.sandbox.monday.cursors import Cursors
from ml_connector_dagster.sandbox.monday.exchanges import Exchange
from ml_connector_dagster.sandbox.monday.faults import Fault
from ml_connector_dagster.sandbox.monday.idempotency import Idempotency
from ml_connector_dagster.sandbox.monday.jobs import Jobs
from ml_connector_dagster.sandbox.monday.limits import Limits
from ml_connector_dagster.sandbox.monday.options import MondayOptions
from ml_connector_dagster.sandbox.monday.refusals import CallRefused, Refusal
from ml_connector_dagster.sandbox.monday.schema import SINCE


CURRENT_VERSION: Final = "2026-10"
VERSIONS: Final = ("2025-10", "2026-01", "2026-04", "2026-07", "2026-10", "2027-01")
_VERSION: Final = re.compile(r"\d{4}-(01|04|07|10)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call as it came in, and how it was answered.

    Attributes:
        fields: the names (not the aliases) of the root fields.
        codes: of its errors.
    """

    fields: tuple[str, ...]
    is_mutation: bool
    query: str
    variables: Mapping[str, Any] = field(default_factory=dict)
    idempotency_key: str | None = None
    status: int = 200
    replayed: bool = False
    codes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What goes back."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A call that has been read."""

    query: str
    variables: dict[str, Any]
    document: DocumentNode | None
    operation: OperationDefinitionNode | None
    error: GraphQLError | None = None

    @property
    def fields(self) -> tuple[str, ...]:
        return () if self.operation is None else root_fields(self.operation)

    @property
    def is_mutation(self) -> bool:
        return self.operation is not None and self.operation.operation is ast.OperationType.MUTATION


class GraphQLApi:
    """Answers calls, one at a time as far as the account's data is concerned."""

    def __init__(
        self,
        options: MondayOptions,
        schema: GraphQLSchema,
        account: Account,
        jobs: Jobs,
        cursors: Cursors,
        limits: Limits,
        idempotency: Idempotency,
    ) -> None:
        self._options = options
        self._schema = schema
        self._account = account
        self._jobs = jobs
        self._cursors = cursors
        self._limits = limits
        self._idempotency = idempotency
        self.lock = threading.Lock()
        self.calls: list[Call] = []

    def read(self, body: bytes) -> Question:
        """The query in ``body``; raises CallRefused when there is none."""
        try:
            content = json.loads(body)
            query = content["query"]
            variables = content.get("variables") or {}
        except (ValueError, KeyError, TypeError, AttributeError):
            raise CallRefused(400, "JsonParseException", "the body is not a GraphQL call") from None
        if not isinstance(query, str) or not isinstance(variables, dict):
            raise CallRefused(400, "JsonParseException", "query is a text, variables an object")
        try:
            document = parse(query)
        except GraphQLSyntaxError as error:
            return Question(
                query=query, variables=variables, document=None, operation=None, error=error
            )
        operation = get_operation_ast(document)
        return Question(query=query, variables=variables, document=document, operation=operation)

    def answer(
        self, question: Question, headers: Mapping[str, str], base_url: str, fault: Fault | None
    ) -> Reply:
        """Execute it, or refuse it."""
        key = headers.get("idempotency-key") if question.is_mutation else None
        replayed = False
        try:
            version = self._admit(headers)
            try:
                reply, replayed = self._once(key, question, version, base_url, fault)
            finally:
                with self.lock:
                    self._limits.leave()
        except CallRefused as refused:
            reply = self.refuse(refused)
        self._remember(question, key, reply, replayed=replayed)
        with self.lock:
            limits = self._limits.headers(writes=question.is_mutation)
        return Reply(status=reply.status, body=reply.body, headers=(*reply.headers, *limits))

    def _admit(self, headers: Mapping[str, str]) -> str:
        """The API version of a call that may come in; raises CallRefused."""
        if headers.get("authorization") != self._options.token:
            raise CallRefused(401, "NOT_AUTHENTICATED", "Not Authenticated")
        version = headers.get("api-version") or CURRENT_VERSION
        if not _VERSION.fullmatch(version) or version not in VERSIONS:
            raise CallRefused(
                200, "InvalidVersionException", f"API version {version!r} is not valid"
            )
        with self.lock:
            self._limits.enter()
        return version

    def _once(
        self,
        key: str | None,
        question: Question,
        version: str,
        base_url: str,
        fault: Fault | None,
    ) -> tuple[Reply, bool]:
        """The answer, and whether it is one that was given before."""
        if key is None:
            return self._execute(question, version, base_url, fault), False
        with self.lock:
            kept = self._idempotency.enter(key)
        if kept is not None:
            header = ("idempotency-replayed", "true")
            return Reply(status=kept.status, body=kept.body, headers=(header,)), True
        reply = None
        try:
            reply = self._execute(question, version, base_url, fault)
        except CallRefused as refused:
            if self._options.keeps_refusals:
                reply = self.refuse(refused)
            raise
        finally:
            with self.lock:
                self._idempotency.leave(key, None if reply is None else (reply.status, reply.body))
        return reply, False

    def _execute(
        self, question: Question, version: str, base_url: str, fault: Fault | None
    ) -> Reply:
        if fault is not None and fault.kind == "slow":
            threading.Event().wait(fault.delay)
        errors = self._problems(question, version)
        document, operation = question.document, question.operation
        if errors or document is None or operation is None:
            return self._reply(None, errors)
        points = Costs(document, question.variables, self._options.item_cost).of(operation)
        with self.lock:
            before, after, reset = self._limits.spend(points, writes=question.is_mutation)
            exchange = Exchange(
                account=self._account,
                jobs=self._jobs,
                cursors=self._cursors,
                limits=self._limits,
                version=version,
                base_url=base_url,
                complexity={
                    "before": before,
                    "after": after,
                    "query": points,
                    "reset_in_x_seconds": reset,
                },
                failing=_failing(fault),
            )
            result = execute_sync(
                self._schema,
                document,
                context_value=exchange,
                variable_values=question.variables,
            )
        return self._reply(result.data, result.errors or [])

    def _problems(self, question: Question, version: str) -> list[GraphQLError]:
        if question.error is not None:
            return [question.error]
        if question.document is None or question.operation is None:
            return [GraphQLError("a single operation is needed")]
        for name in question.fields:
            if version < SINCE.get(name, ""):
                return [GraphQLError(f"Cannot query field '{name}' in version {version}")]
        return validate(self._schema, question.document)

    def _reply(self, data: Any, errors: list[GraphQLError]) -> Reply:
        content: dict[str, Any] = {"data": data}
        if errors:
            content["errors"] = [_shown(error) for error in errors]
        return Reply(status=200, body=self._body(content))

    def _body(self, content: dict[str, Any]) -> bytes:
        whole = content | {
            "account_id": self._options.account_id,
            "extensions": {"request_id": str(uuid.uuid4())},
        }
        return json.dumps(whole).encode()

    def refuse(self, refused: CallRefused) -> Reply:
        """The answer to a call of which nothing was done."""
        extensions = {"code": refused.code, "status_code": refused.status, **refused.extensions}
        headers: tuple[tuple[str, str], ...] = ()
        if refused.retry_after is not None:
            headers = (("retry-after", str(refused.retry_after)),)
        content = {"errors": [{"message": refused.message, "extensions": extensions}]}
        return Reply(status=refused.status, body=self._body(content), headers=headers)

    def _remember(
        self, question: Question, key: str | None, reply: Reply, *, replayed: bool
    ) -> None:
        errors = json.loads(reply.body).get("errors", [])
        self.calls.append(
            Call(
                fields=question.fields,
                is_mutation=question.is_mutation,
                query=question.query,
                variables=question.variables,
                idempotency_key=key,
                status=reply.status,
                replayed=replayed,
                codes=tuple(error["extensions"]["code"] for error in errors),
            )
        )


def _failing(fault: Fault | None) -> Any:
    def failing(alias: str) -> Refusal | None:
        if fault is None or fault.kind != "field" or not re.search(fault.alias or "", alias):
            return None
        data: dict[str, object] = {}
        if fault.retry_in_seconds is not None:
            data["retry_in_seconds"] = fault.retry_in_seconds
        return Refusal(fault.code, fault.message, status=fault.status, **data)

    return failing


def _shown(error: GraphQLError) -> dict[str, Any]:
    """As monday writes an error: the code and the data in ``extensions``."""
    shown: dict[str, Any] = {**error.formatted}
    cause = error.original_error
    if isinstance(cause, Refusal):
        extensions: dict[str, Any] = {
            "code": cause.code,
            "status_code": cause.status,
            "error_data": cause.data,
        }
        if "retry_in_seconds" in cause.data:
            extensions["retry_in_seconds"] = cause.data["retry_in_seconds"]
    elif cause is not None:
        extensions = {"code": "INTERNAL_SERVER_ERROR", "status_code": 500}
    elif isinstance(error, GraphQLSyntaxError):
        extensions = {"code": "GRAPHQL_PARSE_FAILED", "status_code": 200}
    else:
        extensions = {"code": "GRAPHQL_VALIDATION_FAILED", "status_code": 200}
    shown["extensions"] = extensions
    return shown
