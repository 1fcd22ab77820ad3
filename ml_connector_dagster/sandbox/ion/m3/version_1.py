"""Answers of m3api-rest version 1, as JSON and as XML (reference cloudsuite-api §2.5)."""

from typing import Any
from xml.sax.saxutils import escape, quoteattr

from ml_connector_dagster.sandbox.erp.dictionary import DICTIONARY
from ml_connector_dagster.sandbox.ion.m3.contracts import Refused
from ml_connector_dagster.sandbox.ion.m3.execute import Records
from ml_connector_dagster.sandbox.ion.messages import ApiAnswer, json_answer


_NAMESPACE = "http://lawson.com/m3/miaccess"
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'


def records(
    program: str, transaction: str, found: Records, *, as_json: bool, with_metadata: bool
) -> ApiAnswer:
    """A good answer."""
    if not as_json:
        return _xml(program, transaction, found)
    answer: dict[str, Any] = {"Program": program, "Transaction": transaction}
    if with_metadata:
        answer["Metadata"] = {
            "Field": [
                {
                    "@name": name,
                    "@type": DICTIONARY[name].type,
                    "@length": str(DICTIONARY[name].length),
                    "@description": DICTIONARY[name].description,
                }
                for name in found.fields
            ]
        }
    answer["MIRecord"] = [
        {
            "RowIndex": index,
            "NameValue": [{"Name": name, "Value": value} for name, value in row.items()],
        }
        for index, row in enumerate(found.dictionaries())
    ]
    return json_answer(answer, rows=len(found.rows))


def refusal(refused: Refused, message: str, *, as_json: bool) -> ApiAnswer:
    """A business error, with HTTP status 200."""
    error = f"{refused.code} {refused.message}"
    if as_json:
        return json_answer(
            {
                "Message": message,
                "@type": "ServerReturnedNOK",
                "@code": refused.code,
                "@cfg": None,
                "@field": refused.field,
            },
            error=error,
        )
    text = (
        f'{_DECLARATION}<ErrorMessage xmlns="{_NAMESPACE}" type="ServerReturnedNOK"'
        f" code={quoteattr(refused.code)} field={quoteattr(refused.field)}>"
        f"<Message>{escape(message)}</Message></ErrorMessage>"
    )
    return ApiAnswer(body=text.encode(), content_type="application/xml", error=error)


def _xml(program: str, transaction: str, found: Records) -> ApiAnswer:
    parts = [
        f'{_DECLARATION}<miResult xmlns="{_NAMESPACE}">',
        f"<Program>{escape(program)}</Program><Transaction>{escape(transaction)}</Transaction>",
    ]
    for index, row in enumerate(found.dictionaries()):
        values = "".join(
            f"<NameValue><Name>{name}</Name><Value>{escape(value)}</Value></NameValue>"
            for name, value in row.items()
        )
        parts.append(f"<MIRecord><RowIndex>{index}</RowIndex>{values}</MIRecord>")
    parts.append("</miResult>")
    return ApiAnswer(
        body="".join(parts).encode(), content_type="application/xml", rows=len(found.rows)
    )
