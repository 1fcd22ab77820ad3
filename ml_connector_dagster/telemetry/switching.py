"""Listening in this process, on and off. The SDK is imported when it is switched on, and not before."""

import importlib.util
import threading
from typing import Final

from ml_connector_dagster.telemetry.listeners import Current, Listener


_LOCK: Final = threading.Lock()


def is_on() -> bool:
    """Whether anybody listens: asked before work that is done for telemetry alone."""
    return Current.listener is not None


def installed() -> bool:
    """Whether the extra ``telemetry`` is there."""
    return importlib.util.find_spec("opentelemetry") is not None and (
        importlib.util.find_spec("opentelemetry.sdk") is not None
    )


def switch_on(listener: Listener | None = None) -> None:
    """Listen from now on; a second call changes nothing. Without ``listener``: OTLP, as OTEL_* says.

    Raises ImportError when the SDK is not installed.
    """
    with _LOCK:
        if Current.listener is not None:
            return
        if listener is None:
            from ml_connector_dagster.telemetry.exporting import otlp_listener

            listener = otlp_listener()
        Current.listener = listener


def switch_off() -> None:
    """Send what is left, and listen no more."""
    with _LOCK:
        listener, Current.listener = Current.listener, None
    if listener is not None:
        listener.close()


def flush() -> None:
    """Send what has been heard so far."""
    if Current.listener is not None:
        Current.listener.flush()
