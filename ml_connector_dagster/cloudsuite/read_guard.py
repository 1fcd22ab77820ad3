"""Nothing is ever written to CloudSuite: a call that is not a known read of its suite is refused before it is sent."""

from collections.abc import Mapping
from typing import Final

from ml_connector_dagster.cloudsuite.reads.compass import CompassReads
from ml_connector_dagster.cloudsuite.reads.gets import LN, SYTELINE
from ml_connector_dagster.cloudsuite.reads.grammar import Reads, unknown_call
from ml_connector_dagster.cloudsuite.reads.lists import FetchWhereReads, LandmarkReads
from ml_connector_dagster.cloudsuite.reads.m3 import M3Reads


#: Suite → its reads. Further product lines get theirs here: the whole allow-list can be seen in one place.
_READS: Final[Mapping[str, Reads]] = {
    "M3": M3Reads(),
    "CSI": SYTELINE,
    "LN": LN,
    "FSM": LandmarkReads(),
    "SX": FetchWhereReads(),
    "DATAFABRIC": CompassReads(),
}


class ReadGuard:
    """Judges calls to one suite. Each method returns what the call is, for messages, or raises ConfigError."""

    def __init__(self, suite: str) -> None:
        self._suite = suite
        self._reads = _READS.get(suite)

    def judge_get(self, path: str) -> str:
        """What a GET reads, e.g. ``CRS620MI/LstSuppliers``."""
        if self._reads is None:
            raise unknown_call("GET", self._suite, path)
        return self._reads.judge_get(path)

    def judge_post(self, path: str, body: Mapping[str, object]) -> str:
        """What a POST reads, e.g. ``PPS200MI (2 x GetHead)``."""
        if self._reads is None:
            raise unknown_call("POST", self._suite, path)
        return self._reads.judge_post(path, body)

    def judge_statement(self, path: str, statement: str) -> str:
        """What a statement, posted as text, reads, e.g. ``compass CIDMAS``."""
        if not isinstance(self._reads, CompassReads):
            raise unknown_call("POST", self._suite, path)
        return self._reads.judge_statement(path, statement)
