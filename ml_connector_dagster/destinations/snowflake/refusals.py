"""What Snowflake refuses, as errors that say what to do about it: who, as what role, on which object, which GRANT."""

import re
from typing import Final

from ml_connector_dagster.config.warehouses import SnowflakeConnection
from ml_connector_dagster.destinations.identifiers import quoted
from ml_connector_dagster.model.errors import (
    ConfigError,
    ConnectorError,
    ContractError,
    CredentialError,
    TransientError,
)


NO_SUCH_OBJECT: Final = "002003"
NOT_PERMITTED: Final = "003001"
DOUBLED_ROW: Final = "100090"

_KEY_REFUSED: Final = ("390144", "394300", "394302", "394304")
_TOKEN_REFUSED: Final = ("390100", "390303", "390318", "394400", "394401")
_ROLE_REFUSED: Final = ("390186", "390189")
_NO_WAREHOUSE: Final = ("000606", "000607")
#: A view is to replace a table.
_OF_OTHER_KIND: Final = "001998"
_BAD_VALUE: Final = ("100035", "100038", "100039", "100040", "100046", "100072", "100078", "100132")
_DOUBLED: Final = (
    "The table holds records more than once. The connector never writes a record twice: something else did. "
    "Delete the surplus rows (GROUP BY record_id HAVING COUNT(*) > 1), then deliver again"
)
#: Internal errors, cancellation, lock timeouts, resumed or full warehouses, ended sessions.
_PASSING: Final = ("000603", "000604", "000625", "000630", "390112", "390114", "390104", "000610")


class Refused(Exception):
    """Snowflake's own words. ``code`` has six digits; ``advice`` is for who knows better than the words tell."""

    def __init__(self, code: str, message: str, *, advice: str = "") -> None:
        super().__init__(message)
        self.code = code.zfill(6)
        self.message = " ".join(message.split())
        self.advice = advice


def explained(
    refused: Refused, connection: SnowflakeConnection, access: str, what: str
) -> ConnectorError:
    """The error to raise for it. ``what`` begins the sentence: what was not done."""
    role, user = connection.role, connection.user
    said = f"{what}: Snowflake (connection {connection.name}, user {user}, role {role}) says {refused.code}: {refused.message}"
    if refused.advice:
        return CredentialError(f"{said} {refused.advice}")
    if refused.code in _KEY_REFUSED:
        return CredentialError(
            f"{said} The {access} is not that of user {user} in account {connection.account}. Compare it with "
            f"RSA_PUBLIC_KEY_FP of DESC USER {quoted(user)}, and set the right one with "
            f"ALTER USER {quoted(user)} SET RSA_PUBLIC_KEY = '…'"
        )
    if refused.code in _TOKEN_REFUSED:
        return CredentialError(
            f"{said} Make a new token (ALTER USER {quoted(user)} ADD PROGRAMMATIC ACCESS TOKEN …) and store it "
            f"with: ml-connector credentials add {connection.credential}"
        )
    if refused.code in _ROLE_REFUSED:
        return CredentialError(f"{said} Run: GRANT ROLE {quoted(role)} TO USER {quoted(user)}")
    if refused.code in _NO_WAREHOUSE:
        grant = f"GRANT USAGE ON WAREHOUSE {quoted(connection.warehouse)} TO ROLE {quoted(role)}"
        return CredentialError(
            f"{said} Warehouse {connection.warehouse} is not there, or {role} may not use it. Run: {grant}"
        )
    if refused.code in (NOT_PERMITTED, NO_SUCH_OBJECT):
        return CredentialError(f"{said} Run: {_grant(refused, connection)}")
    if refused.code == DOUBLED_ROW:
        return ConfigError(f"{said} {_DOUBLED}")
    if refused.code == _OF_OTHER_KIND:
        return ConfigError(f"{said}. Rename it, or leave this mart out (marts:) of the flow")
    if refused.code in _BAD_VALUE:
        return ConfigError(
            f"{said} Compare the table's own types and constraints with the value in question"
        )
    if refused.code in _PASSING:
        return TransientError(said)
    return ContractError(said)


def _grant(refused: Refused, connection: SnowflakeConnection) -> str:
    role = quoted(connection.role)
    found = re.search(r"(?i)(database|schema|table|view|object|stage)\s+'([^']*)'", refused.message)
    kind, name = (found[1].upper(), found[2]) if found else ("DATABASE", connection.database)
    path = name.split(".") if name else [connection.database]
    if kind == "DATABASE":
        privileges = "USAGE, CREATE SCHEMA"
    elif kind == "SCHEMA":
        privileges = "USAGE, CREATE TABLE, CREATE VIEW, CREATE STAGE"
    else:
        kind, privileges = "TABLE", "SELECT, INSERT, UPDATE, DELETE"
    return f"GRANT {privileges} ON {kind} {quoted(*path)} TO ROLE {role}"
