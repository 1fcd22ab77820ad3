"""What an installation needs in order to work, looked at part by part; nothing is repaired and nothing is kept."""

from ml_connector_dagster.sync.doctor.diagnoses import Diagnosis, Verdict, guarded


__all__ = ["Diagnosis", "Verdict", "guarded"]
