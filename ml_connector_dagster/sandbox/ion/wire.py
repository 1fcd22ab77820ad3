"""Answers on the wire, whole and broken ones."""

from collections.abc import MutableMapping
from typing import Any

from ml_connector_dagster.sandbox.asgi import Send
from ml_connector_dagster.sandbox.ion.messages import ApiAnswer


def _head(answer: ApiAnswer) -> MutableMapping[str, Any]:
    headers = [
        (b"content-type", answer.content_type.encode()),
        (b"content-length", str(len(answer.body)).encode()),
    ]
    headers += [(name.lower().encode(), value.encode()) for name, value in answer.headers]
    return {"type": "http.response.start", "status": answer.status, "headers": headers}


async def send_answer(send: Send, answer: ApiAnswer) -> None:
    """The answer as it should be."""
    await send(_head(answer))
    await send({"type": "http.response.body", "body": answer.body})


async def send_half(send: Send, answer: ApiAnswer) -> None:
    """Half of the body, then nothing: the server closes the connection of an unfinished answer."""
    await send(_head(answer))
    half = answer.body[: max(1, len(answer.body) // 2)]
    await send({"type": "http.response.body", "body": half, "more_body": True})
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is not None:
        transport.close()
