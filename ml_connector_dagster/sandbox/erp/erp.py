"""The ERP as the sandbox holds it: made once per seed, size and day, then copied."""

import threading
from datetime import date
from zoneinfo import ZoneInfo

from ml_connector_dagster.sandbox.clock import Clock
from ml_connector_dagster.sandbox.erp.database import Database
from ml_connector_dagster.sandbox.erp.generation import build_database
from ml_connector_dagster.sandbox.erp.sizes import ErpSize


_images: dict[tuple[int, ErpSize, date, str], bytes] = {}
_images_lock = threading.Lock()


def generated_image(seed: int, size: ErpSize, today: date, timezone: ZoneInfo) -> bytes:
    """The generated ERP as a database image. It is kept: a second sandbox starts at once."""
    key = (seed, size, today, timezone.key)
    with _images_lock:
        image = _images.get(key)
        if image is None:
            database = build_database(seed, size, today, timezone)
            image = _images[key] = database.image()
            database.close()
    return image


class Erp:
    """Rows, and what can happen to them."""

    def __init__(
        self, *, seed: int, size: ErpSize, today: date, timezone: ZoneInfo, clock: Clock
    ) -> None:
        self._image = generated_image(seed, size, today, timezone)
        self.database = Database(self._image)
        self.size = size
        self.clock = clock

    def reset(self) -> None:
        """Undo every change since the start."""
        self.database.restore(self._image)

    @property
    def companies(self) -> tuple[str, ...]:
        """Company numbers."""
        return self.size.companies
