"""What is asked of the API: a query together with its variables.

The client library passes a query around as a string and has no place for variables (reference saas-destinations
§2.1). So it gets a string that carries them: values never become part of a query's text.
"""

from collections.abc import Mapping
from typing import Any


class Question(str):
    """A query of the API.

    Attributes:
        variables: every value that the query takes.
        key: the ``Idempotency-Key`` of a mutation; "" when it is not safe to send it twice.
        weight: how many things it writes; costs are learned per thing.
    """

    variables: Mapping[str, Any]
    key: str
    weight: int

    def __new__(
        cls,
        text: str,
        variables: Mapping[str, Any] | None = None,
        *,
        key: str = "",
        weight: int = 1,
    ) -> "Question":
        made = super().__new__(cls, text)
        made.variables = variables or {}
        made.key = key
        made.weight = weight
        return made

    @property
    def writes(self) -> bool:
        """Whether it is a mutation."""
        return self.lstrip().startswith("mutation")
