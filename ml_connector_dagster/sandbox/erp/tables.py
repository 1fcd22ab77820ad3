"""The ERP's tables: name, column prefix, key, columns (reference cloudsuite-api §2.12).

Prefixes marked [I] there are used as they stand. Whose invoice a batch line belongs to is shown by its head only, as
in APS450MI; that the head (FAPIBH) has INYR is neither confirmed nor denied there.
"""

from dataclasses import dataclass

from ml_connector_dagster.sandbox.erp.dictionary import DICTIONARY, FieldDefinition


#: Every table ends with these: who changed a row, and when.
STAMPS = ("RGDT", "RGTM", "LMDT", "CHNO", "CHID", "LMTS")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table. ``exported`` says whether EXPORTMI knows it by this name."""

    name: str
    prefix: str
    description: str
    key: tuple[str, ...]  # four-letter names, CONO first: also the order of every list
    fields: tuple[str, ...]  # four-letter names, key and stamps included
    exported: bool = True
    hidden: frozenset[str] = frozenset()  # kept for the sandbox's own use, not known to EXPORTMI

    @property
    def columns(self) -> tuple[str, ...]:
        """Prefixed column names, in field order."""
        return tuple(self.prefix + field for field in self.fields)

    @property
    def key_columns(self) -> tuple[str, ...]:
        """Prefixed key columns."""
        return tuple(self.prefix + field for field in self.key)

    @property
    def has_division(self) -> bool:
        """Whether rows belong to a division."""
        return "DIVI" in self.key

    def definition(self, column: str) -> FieldDefinition | None:
        """The dictionary entry of a prefixed column, None when the table shows no such column."""
        field = column[len(self.prefix) :]
        if column not in self.columns or field in self.hidden:
            return None
        return DICTIONARY[field]


def _table(
    name: str,
    prefix: str,
    key: str,
    fields: str,
    description: str,
    *,
    exported: bool = True,
    hidden: str = "",
) -> Table:
    names = (*key.split(), *fields.split(), *STAMPS)
    unknown = [field for field in names if field not in DICTIONARY]
    if unknown:
        raise ValueError(f"table {name}: fields missing in the dictionary: {unknown}")
    return Table(
        name=name,
        prefix=prefix,
        description=description,
        key=tuple(key.split()),
        fields=names,
        exported=exported,
        hidden=frozenset(hidden.split()),
    )


_ALL = (
    _table("CMNDIV", "CC", "CONO DIVI", "CONM TX15 LOCD CSCD", "Divisions"),
    _table(
        "CIDMAS",
        "ID",
        "CONO SUNO",
        "SUTY SUNM ALSU STAT CORG COR2 VRNO LNCD PHNO CSCD ECAR TINO CFI1 CFI2 CFI3 CFI4 CFI5",
        "Suppliers, base data",
    ),
    _table(
        "CIDVEN",
        "II",
        "CONO SUNO",
        "SUCL ORTY TEDL MODL TEPY PYME CUCD CRTP VTCD TAXC BUYE RESP PRSU SUCO LIDT TECD CGRP",
        "Suppliers, purchase and finance data",
    ),
    _table(
        "OCUSMA",
        "OK",
        "CONO CUNO",
        "CUNM CUA1 CUA2 CUA3 CUA4 PONO TOWN ECAR CSCD PHNO MAIL CUTP STAT CORG VRNO CUCD CUCL TEPY"
        " PYNO CRLM CRL2 CRL3 LNCD SMCD WHLO TXCO CFI1 CFI3",
        "Customers",
    ),
    _table(
        "MITMAS",
        "MM",
        "CONO ITNO",
        "ITDS FUDS STAT ITTY ITGR ITCL BUAR UNMS PUUN PPUN SPUN MABU RESP NEWE GRWE VOL3 VTCP VTCS"
        " PRGP DCCD ITNE PUPR CUCD SAPR CUCS CFI1",
        "Items",
    ),
    _table(
        "MPHEAD",
        "IA",
        "CONO PUNO",
        "DIVI FACI WHLO SUNO PRSU ORTY POTC PUSL PUST SLDT SCDT PUDT DWDT LEDT BUYE CUCD TEPY MODL"
        " TEDL TEAF TEPA REVN NTAM BRAM COAM ODAM TOQT SAAM LOCD PROJ ELNO OURR REMK CFI1",
        "Purchase order heads",
    ),
    _table(
        "MPLINE",
        "IB",
        "CONO PUNO PNLI PNLS",
        "ITNO SITE PITD PITT FACI WHLO SUNO PUSL PUST ORQA CFQA RVQA CAQA IVQA RJQA SDQA ADQA ORQT"
        " PUUN PUPR CPPR PPUN PUCD ODI1 ODI2 ODI3 LNAM CUPR SAAM LOCD DWDT CODT RCDT IDAT VTCD"
        " BUYE PURC RORC RORN RORL SORN",
        "Purchase order lines",
    ),
    _table(
        "FPLEDG",
        "EP",
        "CONO DIVI YEA4 JRNO JSNO",
        "TRCD SPYN SUNO SINO INYR VSER VONO IVTP CUCD CRTP ARAT CUAM VTAM ACAM IVDT DUDT ACDT TEPY"
        " TECD PYME PYTP IVBL APRV APCD PYST PYRS RECO REDE BKID SUCL INBN",
        "Supplier ledger: invoices (TRCD 40) and payments (TRCD 50)",
    ),
    _table(
        "FAPIBH",
        "E5",
        "CONO DIVI INBN",
        "IBTP SUPA BIST IBHE IBLE SPYN SUNO SINO INYR IVDT DUDT ACDT CUCD CUAM VTAM TLNA TCHG TOPA"
        " VONO VSER APCD IMCD PUNO YEA4 CORI",
        "Supplier invoice batch heads",
    ),
    _table(
        "FAPIBL",
        "E6",
        "CONO DIVI INBN TRNO",
        "RDTP SUNO SINO INYR NLAM GLAM VTA1 VTA2 VTCD PUNO PNLI PNLS IVQA PUUN GRPR NEPR PPUN PUCD"
        " ITNO CEID CDSE REPN SUDO",
        "Supplier invoice batch lines",
        hidden="SUNO SINO INYR",
    ),
    _table(
        "FCHACC",
        "EA",
        "CONO DIVI AITP AITM",
        "AICL TX40 TX15 AT01 AT02 AT03 AT04 AT11 AT12 AT13 LCCD VFDT VTDT CUCD RESP",
        "Accounting identities: accounts and dimensions",
    ),
    _table(
        "FGLEDG",
        "EG",
        "CONO DIVI YEA4 JRNO JSNO",
        "FEID FNCN TRCD VSER VONO VSNO ACDT OCDT AIT1 AIT2 AIT3 AIT4 AIT5 AIT6 AIT7 CUCD CRTP ARAT"
        " ACAM CUAM DBCR ACQT ACYP CYP6 VTXT VTCD",
        "General ledger",
    ),
    _table(
        "BALANCE_KEYS",
        "X1",
        "CONO PTID",
        "DIVI BAKY BIT1 BIT2 BIT3 BIT4 BIT5 BIT6 BIT7",
        "Dimension combinations (their real table is not verified: no EXPORTMI)",
        exported=False,
    ),
    _table(
        "BALANCES",
        "X2",
        "CONO DIVI BAKY PTID VTYP BUNO BVER YEA4 PERI",
        "ACAD ACAC CUAD CUAC ACQD ACQC THCC",
        "Period balances (their real table is not verified: no EXPORTMI)",
        exported=False,
    ),
)

#: Table name → table.
TABLES: dict[str, Table] = {table.name: table for table in _ALL}
