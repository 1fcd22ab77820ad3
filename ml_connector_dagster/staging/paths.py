"""Where a batch lives: names from outside become safe path parts."""

import hashlib
from typing import Final
from urllib.parse import quote

from ml_connector_dagster.model.windows import Window


#: Longer parts are cut and told apart by a hash: file systems allow 255 bytes, and some APIs 1,024 for a whole path.
LONGEST_PART: Final = 120

_HASH_DIGITS: Final = 32


def safe_part(name: str) -> str:
    """``name`` as one path part that no file system misreads, different for different names.

    No separator, no leading dot (which also keeps it apart from what is still being written), never empty, never long.
    A bare "%" and "%~" cannot come out of percent-encoding, so nothing else is written like the empty or a cut name.
    """
    encoded = quote(name, safe="", errors="surrogatepass").replace("~", "%7E")
    if not encoded:
        return "%"
    if encoded.startswith("."):
        encoded = f"%2E{encoded[1:]}"
    if len(encoded) > LONGEST_PART:
        digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:_HASH_DIGITS]
        return f"{encoded[: LONGEST_PART - _HASH_DIGITS - 2]}%~{digest}"
    return encoded


def batch_path(*, tenant: str, entity: str, company: str, window: Window, batch_id: str) -> str:
    """A batch's folder below the place where batches are staged."""
    first = "beginning" if window.first_day is None else window.first_day.isoformat()
    return "/".join(
        (
            safe_part(tenant),
            safe_part(entity),
            safe_part(company),
            f"{first}_{window.last_day.isoformat()}",
            safe_part(batch_id),
        )
    )
