"""What Snowflake answers when it does not do something: its numbers, SQL states and words."""


class Refusal(Exception):
    """An error of Snowflake. ``code`` as it says it, e.g. "002003"."""

    def __init__(self, code: str, state: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.state = state
        self.message = message


def no_such_object(kind: str, name: str) -> Refusal:
    state = "42S02" if kind == "Table" else "02000"
    return Refusal(
        "002003",
        state,
        f"SQL compilation error:\n{kind} '{name}' does not exist or not authorized.",
    )


def not_permitted(kind: str, name: str) -> Refusal:
    return Refusal(
        "003001",
        "42501",
        f"SQL access control error:\nInsufficient privileges to operate on {kind} '{name}'.",
    )


def not_simulated(what: str) -> Refusal:
    """Louder than doing something else than Snowflake would."""
    return Refusal("000002", "0A000", f"The stand-in does not simulate this: {what}")
