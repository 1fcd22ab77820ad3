"""One page of CSV → its records as columns of text (RFC 4180: a quote inside quotes is doubled; line breaks may stand there)."""

import csv
import io
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.csv as arrow_csv

from ml_connector_dagster.model.errors import ContractError


def header_of(body: bytes) -> tuple[str, ...]:
    """The names in the first line; none when there is no text. Raises ContractError for bytes that are no text."""
    line = body.partition(b"\n")[0].removeprefix(b"\xef\xbb\xbf")
    try:
        return tuple(next(csv.reader(io.StringIO(line.decode().rstrip("\r"))), ()))
    except (UnicodeDecodeError, csv.Error):
        raise ContractError("the page does not begin with the header of a CSV") from None


def read_csv(body: bytes, names: Sequence[str]) -> pa.Table:
    """The rows below the header, every value as text; what is blank is an empty text.

    ``names`` are given to the columns in their order. Raises ContractError for a row that has more or fewer values.
    """
    if not body.partition(b"\n")[2].strip():
        return pa.table({name: pa.array([], pa.string()) for name in names})
    try:
        return arrow_csv.read_csv(
            pa.BufferReader(body),
            # One block: the reader's own memory is bounded by the page.
            read_options=arrow_csv.ReadOptions(
                use_threads=False, block_size=len(body) + 1, column_names=list(names), skip_rows=1
            ),
            parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(
                column_types={name: pa.string() for name in names}, strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as error:
        reason = str(error).splitlines()[0][:120]
        raise ContractError(f"the page is no whole CSV of {len(names)} columns: {reason}") from None
