"""Where a batch lives: names from outside become safe path parts."""

import hashlib
from urllib.parse import quote

from ml_connector_dagster.model.windows import Window


#: Longer names are cut and told apart by a hash: file systems allow 255 bytes.
LONGEST_PART = 120


def safe_part(name: str) -> str:
    """``name`` as one path part that no file system misreads: no separator, no dots alone, not empty, not long."""
    encoded = quote(name, safe="-_ ().").replace(" ", "%20")
    if not encoded.strip("."):
        encoded = encoded.replace(".", "%2E") or "%00"
    if len(encoded) > LONGEST_PART:
        digest = hashlib.sha256(name.encode()).hexdigest()[:16]
        encoded = f"{encoded[: LONGEST_PART - 17]}~{digest}"
    return encoded


def batch_path(
    *, tenant: str, entity: str, company: str, window: Window, batch_id: str
) -> tuple[str, ...]:
    """The parts of a batch's folder below the staging root."""
    first = "beginning" if window.first_day is None else window.first_day.isoformat()
    return (
        safe_part(tenant),
        safe_part(entity),
        safe_part(company),
        f"{first}_{window.last_day.isoformat()}",
        safe_part(batch_id),
    )
