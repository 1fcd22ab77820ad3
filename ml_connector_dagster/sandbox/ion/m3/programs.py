"""Every MI program of the sandbox's M3. A program that is not here is not there: 400 TransactionNotFound.

MRS001MI lists what the installation has, which depends on the switches; it is built beside the others.
"""

from collections.abc import Mapping

from ml_connector_dagster.sandbox.ion.m3.accounting import CRS630MI, GLS200MI, GLS215MI
from ml_connector_dagster.sandbox.ion.m3.contracts import Program, Transaction, TransactionNotFound
from ml_connector_dagster.sandbox.ion.m3.exportmi import EXPORTMI
from ml_connector_dagster.sandbox.ion.m3.items import MMS200MI
from ml_connector_dagster.sandbox.ion.m3.metadata import MNS100MI, MNS150MI, metadata_program
from ml_connector_dagster.sandbox.ion.m3.parties import CRS610MI, CRS620MI
from ml_connector_dagster.sandbox.ion.m3.payables import APS130MI, APS200MI, APS450MI, OWN_APS100MI
from ml_connector_dagster.sandbox.ion.m3.purchasing import (
    OWN_PPS100MI,
    OWN_PPS200MI,
    PPS100MI,
    PPS200MI,
)
from ml_connector_dagster.sandbox.options import Switches


def _catalogue(*programs: Program) -> Mapping[str, Program]:
    catalogue = {program.name: program for program in programs}
    metadata = metadata_program(catalogue)
    catalogue[metadata.name] = metadata
    return catalogue


_EVERYWHERE = (
    CRS620MI,
    CRS610MI,
    MMS200MI,
    APS200MI,
    APS450MI,
    APS130MI,
    CRS630MI,
    GLS200MI,
    GLS215MI,
    MNS100MI,
    MNS150MI,
    EXPORTMI,
)

#: As delivered by the vendor.
STANDARD = _catalogue(*_EVERYWHERE, PPS100MI, PPS200MI)

#: With a tenant's own list transactions on top (``Switches.brief_programs``).
WITH_OWN = _catalogue(*_EVERYWHERE, OWN_PPS100MI, OWN_PPS200MI, OWN_APS100MI)


def find(program: str, name: str, switches: Switches) -> Transaction:
    """The transaction, when this installation has it."""
    catalogue = WITH_OWN if switches.brief_programs else STANDARD
    entry = None if program in switches.absent_programs else catalogue.get(program)
    if entry is None or name not in entry.transactions:
        raise TransactionNotFound(program, name)
    return entry.transactions[name]
