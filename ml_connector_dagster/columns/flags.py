"""Yes or no as an ERP writes it → boolean."""

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from ml_connector_dagster.columns.cells import Cells, Parsed, parse_distinct


NOT_A_FLAG: Final = "not a flag"

_MEANING: Final = {
    "1": True,
    "true": True,
    "yes": True,
    "y": True,
    "0": False,
    "false": False,
    "no": False,
    "n": False,
}


def parse_flag(text: str) -> bool:
    """1/0, true/false, yes/no, y/n, in any case; raises ValueError with the reason."""
    try:
        return _MEANING[text.lower()]
    except KeyError:
        raise ValueError(NOT_A_FLAG) from None


def flags(cells: Cells, *, negate: bool = False) -> Parsed:
    """Every cell as a boolean; ``negate`` turns yes into no."""
    parsed = parse_distinct(cells, pa.bool_(), parse_flag)
    return Parsed(values=pc.invert(parsed.values), problems=parsed.problems) if negate else parsed
