"""How long a flow tries again by itself what failed."""

from pydantic import Field

from ml_connector_dagster.config.models import StrictModel
from ml_connector_dagster.config.values import WholeNumber
from ml_connector_dagster.model.receipts import DeadLetter


class Replay(StrictModel):
    """Automatic replay of dead letters, when the sensor of the flow is on. The pauses grow from 5 minutes to 6 hours."""

    tries: WholeNumber = Field(
        default=16,
        ge=0,
        le=1_000,
        description="After so many automatic tries in vain a dead letter is given up: it stays open, and waits for a "
        "person. 16 tries take two and a half days, a weekend.",
    )

    def gives_up(self, letter: DeadLetter) -> bool:
        """Whether ``letter`` is open and not tried by itself any more."""
        return letter.resolved_at is None and self.gives_up_after(letter.waits)

    def gives_up_after(self, failures: int) -> bool:
        """Whether what has failed so often is not tried by itself any more; the first failure is no try."""
        return failures > self.tries
