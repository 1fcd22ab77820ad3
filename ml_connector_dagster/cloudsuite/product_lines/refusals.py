"""The ways in which an ERP says no, as every product line raises them."""

from typing import Final

from ml_connector_dagster.model.errors import ConfigError, ContractError, CredentialError


class AuthorityError(CredentialError):
    """The service user may not read this program, IDO, service or table, or not in this company."""


class NotThereError(ConfigError):
    """The tenant has no such program, IDO, service, table or field."""


class RefusedError(ContractError):
    """The ERP said no for a reason that is neither authority nor a missing thing."""


#: What speaks against one route and leaves the others; everything else (a wrong company, no connection) stops a read.
ROUTE_REFUSALS: Final = (AuthorityError, NotThereError, RefusedError)
