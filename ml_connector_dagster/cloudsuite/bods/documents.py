"""One business object document: its envelope, and the records in it (reference cloudsuite-api §6.2, §6.3)."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from ml_connector_dagster.cloudsuite.bods.nouns import DIVISION, Noun
from ml_connector_dagster.cloudsuite.bods.xml import elements_at, parse, text_at
from ml_connector_dagster.model.errors import RejectedError


#: Verbs that carry a state of the record; the others ask or answer.
VERBS: Final = ("Sync", "Process")


class Action(StrEnum):
    """What is to become of the records. Add, Change and Replace all carry values, and are taken alike."""

    STORE = "store"
    DELETE = "delete"


_ACTIONS: Final = {
    "add": Action.STORE,
    "change": Action.STORE,
    "replace": Action.STORE,
    "delete": Action.DELETE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentRecord:
    """One record: column → text. A column that the document does not mention is not in ``values``; an empty one is ""."""

    entity: str
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One document.

    Attributes:
        message_id: the envelope's id, or a hash of the content when it has none.
        document_id: identifies the noun inside its company.
        variation: its version; None when the sender does not count.
        created_at: when the sender wrote it: the state is of this moment.
        modified_at: when the record changed.
    """

    message_id: str
    noun: str
    action: Action
    tenant_id: str
    company: str
    document_id: str
    variation: int | None
    created_at: datetime
    modified_at: datetime
    records: tuple[DocumentRecord, ...]

    @property
    def order(self) -> tuple[int, datetime]:
        """Later versions are greater."""
        return (-1 if self.variation is None else self.variation), self.created_at


def read_document(
    content: bytes, nouns: Mapping[str, Noun], companies: Mapping[str, str]
) -> Document:
    """Parse one document. ``companies``: accounting entity → company, for those that do not begin with it.

    Raises RejectedError with the reason when it cannot be used.
    """
    root = parse(content)
    verb, action = _verb(root)
    name = str(root.tag).removeprefix(verb)
    noun = nouns.get(name)
    if noun is None:
        raise RejectedError(f"no mapping for the noun {name!r}; there are {', '.join(nouns)}")
    body = root.find(f"DataArea/{name}")
    if body is None:
        raise RejectedError(f"the DataArea has no {name}")
    accounting_entity = text_at(root, f"DataArea/{verb}/AccountingEntityID") or ""
    company, division = _company(accounting_entity, companies)
    document_id = text_at(body, noun.id)
    if not document_id:
        raise RejectedError(f"the document has no identity ({noun.id} is missing or empty)")
    created_at = _moment(text_at(root, "ApplicationArea/CreationDateTime"), "CreationDateTime")
    modified = text_at(body, noun.modified) if noun.modified else None
    return Document(
        message_id=text_at(root, "ApplicationArea/BODID") or hashlib.sha256(content).hexdigest(),
        noun=name,
        action=action,
        tenant_id=text_at(root, f"DataArea/{verb}/TenantID") or "",
        company=company,
        document_id="/".join(
            [*([division] if division else []), *_within(body, noun), document_id]
        ),
        variation=_variation(text_at(body, f"{noun.id}/@variationID")),
        created_at=created_at,
        modified_at=_moment(modified, "LastModificationDateTime") if modified else created_at,
        records=tuple(_records(body, noun, division)),
    )


def _within(body: Any, noun: Noun) -> list[str]:
    """Two suppliers may use one invoice number: the variation of one must not make the other's look old."""
    return [(text_at(body, path) or "").replace("/", "%2F") for path in noun.within]


def _verb(root: Any) -> tuple[str, Action]:
    for verb in VERBS:
        if str(root.tag).startswith(verb):
            code = text_at(root, f"DataArea/{verb}/ActionCriteria/ActionExpression/@actionCode")
            action = _ACTIONS.get((code or "Replace").casefold())
            if action is None:
                raise RejectedError(
                    f"action code {code!r} is not known; known are Add, Change, Replace, Delete"
                )
            return verb, action
    raise RejectedError(f"{root.tag} is neither a Sync nor a Process document")


def _company(accounting_entity: str, companies: Mapping[str, str]) -> tuple[str, str]:
    """Company and division. M3 writes CONO or CONO_DIVI [V1]; other lines need ``companies``."""
    company, _, division = accounting_entity.partition("_")
    company = companies.get(accounting_entity, company)
    if not company:
        raise RejectedError("the document names no AccountingEntityID, so its company is not known")
    return company, division


def _variation(text: str | None) -> int | None:
    if not text:
        return None
    # The ledger keeps it in 64 bits.
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise RejectedError(f"variationID {text[:40]!r} is not a number")
    return int(text)


def _moment(text: str | None, name: str) -> datetime:
    """A moment of the sender's; without an offset it is UTC, as the Z of all that was seen."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        raise RejectedError(f"{name} {(text or '')[:40]!r} is not a time") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def _records(body: Any, noun: Noun, division: str) -> Iterator[DocumentRecord]:
    for entity, mapped in noun.entities.items():
        for element in elements_at(body, mapped.each) if mapped.each else [body]:
            values = {
                column: division if path == DIVISION else text_at(element, path)
                for column, path in mapped.fields.items()
            }
            yield DocumentRecord(
                entity=entity,
                values={name: value for name, value in values.items() if value is not None},
            )
