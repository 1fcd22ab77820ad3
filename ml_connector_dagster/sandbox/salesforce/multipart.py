"""The parts of a multipart/form-data body."""

from email.parser import BytesParser
from email.policy import HTTP


def parts_of(content_type: str, body: bytes) -> dict[str, bytes]:
    """name → content."""
    message = BytesParser(policy=HTTP).parsebytes(
        b"Content-Type: " + content_type.encode("latin-1") + b"\r\n\r\n" + body
    )
    found: dict[str, bytes] = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes):
            found[name] = content
    return found
