"""Where business object documents arrive, and what they call our companies."""

from typing import ClassVar

from pydantic import Field

from ml_connector_dagster.config.models import StrictModel
from ml_connector_dagster.config.values import CredentialName, ReadFile, WrittenFolder


class DocumentIntake(StrictModel):
    """Documents of one tenant, as ION puts them into a folder or posts them to ``ml-connector bods serve``."""

    #: Options of ``ml-connector credentials add NAME``.
    stored_by: ClassVar[str] = "--field token"

    folder: WrittenFolder = Field(
        description="Where they arrive as *.xml; a relative path is inside ML_CONNECTOR_HOME. What was taken goes to its "
        "done/, what cannot be used to its rejected/, with the reason beside it."
    )
    tenant_id: str = Field(
        default="",
        description="The tenant id in the documents, like ACME_PRD; those of another are refused. Any when left out.",
    )
    companies: dict[str, str] = Field(
        default_factory=dict,
        description="Accounting entity → company, where it does not begin with the company and an underscore.",
    )
    nouns: ReadFile | None = Field(
        default=None,
        description="YAML file of this tenant's own nouns: noun → id, entities, paths. A noun replaces the built-in one.",
    )
    credential: CredentialName | None = Field(
        default=None,
        description="Name of the stored token that whoever posts documents must bear; nothing is served without "
        f"(ml-connector credentials add NAME {stored_by}).",
    )
