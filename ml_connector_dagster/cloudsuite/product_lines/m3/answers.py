"""What an M3 answer means: rows, an empty list, or one of the ways in which M3 says no.

Reference cloudsuite-api §2.3 (two error forms, ``wasTerminated`` as boolean or text), §2.4 (bulk), §2.7 (codes).
Nothing is asked here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ml_connector_dagster.cloudsuite.product_lines.refusals import (
    AuthorityError,
    NotThereError,
    RefusedError,
)
from ml_connector_dagster.columns.json_pages import EACH, read_answer
from ml_connector_dagster.model.errors import ConfigError, ContractError


#: Also what a Get says whose record is gone; of a list it means "no rows".
_NOT_THERE = re.compile(r"^(XRE0103|W[A-Z]{2}0[1-3]03)$")
#: Company and division are settings, not records.
_SETTING = re.compile(r"^(WDI0103|WCO0103|WCN0103)$")
_SETTING_TEXT = re.compile(r"\b(company|division)\b.*\b(does not exist|not found)", re.IGNORECASE)
_AUTHORITY_TEXT = re.compile(
    r"\b(not|no|lacks?|missing|without|insufficient)\b[^.]*\bauthori[sztyed]+|\bunauthori[sz]ed|\bnot allowed to (run|use|call|execute)\b|\baccess denied",
    re.IGNORECASE,
)
_UNKNOWN_TYPES = ("transactionnotfound", "programnotfound")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """M3's own no. ``message`` has no code, no field name and no padding in it."""

    code: str
    kind: str
    message: str
    field: str

    @property
    def is_no_record(self) -> bool:
        return bool(_NOT_THERE.match(self.code)) and not self.is_setting

    @property
    def is_setting(self) -> bool:
        return bool(_SETTING.match(self.code) or _SETTING_TEXT.search(self.message))

    @property
    def is_authority(self) -> bool:
        return "authori" in self.kind.lower() or bool(_AUTHORITY_TEXT.search(self.message))

    @property
    def is_unknown_transaction(self) -> bool:
        return self.kind.lower() in _UNKNOWN_TYPES

    def __str__(self) -> str:
        code = f" [{self.code}]" if self.code else ""
        field = f" (field {self.field})" if self.field else ""
        return f"{self.message or self.kind or 'no reason given'}{code}{field}"

    def error(self, what: str, program: str, company: str) -> Exception:
        """The error to raise for it; ``what`` names the call, e.g. "CRS620MI/LstSuppliers, company 100"."""
        if self.is_setting:
            return ConfigError(
                f"{what}: {self}. Check the companies of the flow and the divisions of company {company} (MNS100)"
            )
        if self.is_unknown_transaction:
            return NotThereError(
                f"{what}: this tenant has no such transaction ({self}). "
                "Name the tenant's own one in its catalog file, or use another route"
            )
        if self.is_authority:
            return AuthorityError(
                f"{what}: {self}. Give the M3 user of the service account (MNS150MI/GetUserData tells who that is) "
                f"authority to program {program} in company {company} (SES400)"
            )
        return RefusedError(f"{what}: M3 refused: {self}")


@dataclass(frozen=True, slots=True, kw_only=True)
class M3Answer:
    """One answer, single or bulk.

    Attributes:
        records: the rows of all results; ``result`` tells for each the index of its transaction.
        refusals: index of a transaction → why it was refused.
        not_processed: transactions that M3 did not get to.
        results: how many results there were.
    """

    records: pa.Table
    result: pa.Array
    refusals: Mapping[int, Refusal]
    not_processed: frozenset[int]
    results: int


def parse_answer(status: int, body: bytes) -> M3Answer:
    """Read an answer of ``execute``. Raises ContractError when it is cut short, not M3's, or has rows and an error at once."""
    try:
        answer = read_answer(body, ("results", EACH, "records"))
    except ContractError:
        if status != 400:
            raise
        # §2.3: some builds answer an unknown transaction with the two words "Bad Request" and nothing else.
        text = " ".join(body[:200].decode("utf-8", "replace").split())
        return _refused(
            Refusal(code="400", kind="TransactionNotFound", message=text or "Bad Request", field="")
        )
    envelope = answer.envelope
    if not isinstance(envelope, dict):
        raise ContractError("the answer is JSON, but not an M3 answer (no object at its top)")
    results = envelope.get("results")
    if not results:
        top = _refusal(envelope)
        if top is not None or status == 400 or _failed(envelope):
            return _refused(top or Refusal(code=str(status), kind="", message="", field=""))
        if results is None:
            raise ContractError("the answer has neither results nor an error in it")
        return M3Answer(
            records=answer.records,
            result=answer.result,
            refusals={},
            not_processed=frozenset(),
            results=0,
        )
    refusals = {
        index: refusal
        for index, one in enumerate(results)
        if (refusal := _refusal(one)) is not None
    }
    skipped = frozenset(
        index
        for index, one in enumerate(results)
        if str(one.get("notProcessed", "")).lower() == "true"
    )
    if not refusals and not skipped and _failed(envelope):
        # The flag stands, but no result says why: take the reason from the top, and believe no row.
        refusals[0] = _refusal(envelope) or Refusal(code="", kind="", message="", field="")
    with_rows = set(pc.unique(answer.result).to_pylist())
    both = sorted(with_rows & refusals.keys())
    if both:
        raise ContractError(
            f"rows and an error in one answer ({refusals[both[0]]}): the rows may be only a part, "
            "none was taken. Read again; if it stays, look at the M3 job log of the service user"
        )
    return M3Answer(
        records=answer.records,
        result=answer.result,
        refusals=refusals,
        not_processed=skipped,
        results=len(results),
    )


def _refused(refusal: Refusal) -> M3Answer:
    return M3Answer(
        records=pa.table({}),
        result=pa.array([], pa.int32()),
        refusals={0: refusal},
        not_processed=frozenset(),
        results=1,
    )


def _failed(envelope: Mapping[str, Any]) -> bool:
    terminated = str(envelope.get("wasTerminated", "")).strip().lower() == "true"
    failed = str(envelope.get("nrOfFailedTransactions") or "0").strip()
    return terminated or failed not in ("0", "")


def _refusal(part: Mapping[str, Any]) -> Refusal | None:
    message = _text(part.get("errorMessage")) or _text(part.get("terminationReason"))
    code = _text(part.get("errorCode"))
    kind = _text(part.get("errorType")) or _text(part.get("terminationErrorType"))
    field = _text(part.get("errorField"))
    if not (message or code or kind):
        return None
    for noise in (code, field):
        if noise:
            message = re.sub(rf"(?<!\w){re.escape(noise)}(?!\w)\s*$", "", message).rstrip()
            message = (
                message.replace(f" {code} {field}", "").rstrip() if code and field else message
            )
    if not code:
        last = message.rsplit(" ", 1)[-1]
        code = last if re.fullmatch(r"[A-Z]{3}\d{4}", last) else ""
    return Refusal(code=code, kind=kind, message=message, field=field)


def _text(value: object) -> str:
    return " ".join(str(value).split()) if value is not None else ""
