"""A process that dies in the middle of writing a private file."""

import os

import pytest

from ml_connector_dagster.credentials import private_files


def crash_at(monkeypatch: pytest.MonkeyPatch, call: str, number: int) -> None:
    """The ``number``-th ``os.<call>`` of ``private_files`` does not happen: KeyboardInterrupt instead."""
    monkeypatch.setattr(private_files, "os", _Dying(call, number))


class _Dying:
    def __init__(self, call: str, number: int) -> None:
        self._call = call
        self._left = number

    def __getattr__(self, name: str) -> object:
        if name == self._call:
            self._left -= 1
            if self._left == 0:
                raise KeyboardInterrupt
        return getattr(os, name)
