"""What every part of the YAML has in common."""

from pydantic import BaseModel, ConfigDict


class StrictModel(BaseModel):
    """A part of the YAML: an unknown key is an error, and nothing changes once it is read.

    Fields may have another name in YAML than in Python (``schema``); both are understood.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True
    )
