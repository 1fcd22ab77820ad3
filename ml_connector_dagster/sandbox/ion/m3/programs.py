"""Every MI program of the sandbox's M3. A program that is not here is not there: 400 TransactionNotFound."""

from ml_connector_dagster.sandbox.ion.m3.contracts import Program, Transaction, TransactionNotFound
from ml_connector_dagster.sandbox.ion.m3.exportmi import EXPORTMI
from ml_connector_dagster.sandbox.ion.m3.items import MMS200MI
from ml_connector_dagster.sandbox.ion.m3.metadata import MNS100MI, MNS150MI, metadata_program
from ml_connector_dagster.sandbox.ion.m3.parties import CRS610MI, CRS620MI
from ml_connector_dagster.sandbox.options import Switches


def _catalogue(*programs: Program) -> dict[str, Program]:
    catalogue = {program.name: program for program in programs}
    metadata = metadata_program(catalogue)
    catalogue[metadata.name] = metadata
    return catalogue


STANDARD = _catalogue(CRS620MI, CRS610MI, MMS200MI, EXPORTMI, MNS100MI, MNS150MI)


def find(program: str, name: str, switches: Switches) -> Transaction:
    """The transaction, when this installation has it."""
    entry = None if program in switches.absent_programs else STANDARD.get(program)
    if entry is None or name not in entry.transactions:
        raise TransactionNotFound(program, name)
    return entry.transactions[name]
