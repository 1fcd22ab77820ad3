"""What goes on, for whoever watches: spans, metrics, and one log line where work passes a boundary.

The lowest room: it knows none of the nouns, and nothing of ours is imported here. A boundary costs next to nothing while nobody
listens. Facts are names, ids, counts and states; what is in a record, or in a credential, is never one.
"""

from ml_connector_dagster.telemetry.boundaries import Boundary, boundary, verb_of
from ml_connector_dagster.telemetry.measures import Meter, meter
from ml_connector_dagster.telemetry.switching import flush, is_on, switch_off, switch_on


__all__ = [
    "Boundary",
    "Meter",
    "boundary",
    "flush",
    "is_on",
    "meter",
    "switch_off",
    "switch_on",
    "verb_of",
]
