"""Who we are at Databricks: a personal access token, or a service principal (OAuth machine-to-machine)."""

from collections.abc import Mapping
from dataclasses import dataclass

from ml_connector_dagster.model.errors import CredentialError
from ml_connector_dagster.model.secrets import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A personal access token, or a service principal's client id and secret; ``credential`` is their name."""

    credential: str
    token: Secret | None = None
    client_id: Secret | None = None
    client_secret: Secret | None = None

    @classmethod
    def of(cls, credential: str, values: Mapping[str, Secret]) -> "Login":
        """From the fields of a stored credential. Raises CredentialError when they are not one of the two pairs."""
        if set(values) == {"token"}:
            return cls(credential=credential, token=values["token"])
        if set(values) == {"client_id", "client_secret"}:
            return cls(credential=credential, **values)
        raise CredentialError(
            f"credential {credential!r} has the fields {', '.join(sorted(values))}; Databricks needs either token, or "
            "client_id and client_secret. Store it again: ml-connector credentials add "
            f"{credential} --kind databricks --field client_id --field client_secret"
        )
