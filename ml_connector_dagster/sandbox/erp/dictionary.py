"""The ERP's field dictionary: four-letter M3 field → type, length, decimals, description.

Types as M3's own: A text, N number, D date. Lengths come from reference cloudsuite-api §2.11; a field means the
same in every table and transaction, which is M3's own rule. What the reference leaves open is invented here.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldDefinition:
    """One field of the dictionary. ``decimals`` > 0 means the value is kept as decimal text."""

    name: str
    type: str  # A, N or D
    length: int
    decimals: int
    description: str


_TEXT = """
CONO N3 Company
DIVI A3 Division
SUNO A10 Supplier number
SUNM A36 Supplier name
SUTY N1 Supplier type
STAT A2 Status
ALSU A10 Search key
CORG A11 Organization number 1
COR2 A11 Organization number 2
VRNO A16 VAT registration number
LNCD A2 Language
PHNO A16 Telephone number 1
CSCD A3 Country
ECAR A2 State
SUCL A3 Supplier group
ORTY A3 Order type
TEDL A3 Delivery terms
MODL A3 Delivery method
TEPY A3 Payment terms
PYME A3 Payment method
CUCD A3 Currency
CRTP N2 Exchange rate type
VTCD N2 VAT code
TAXC A3 Tax code
TINO A15 Tax identification number
BUYE A10 Buyer
RESP A10 Responsible
PRSU A10 Payee
SUCO A10 Supplier number in group
LIDT D8 Last invoice date
TECD A3 Cash discount term
CFI1 A10 User-defined field 1
CFI2 A10 User-defined field 2
CFI3 A10 User-defined field 3
CFI4 A10 User-defined field 4
CFI5 A10 User-defined field 5
CGRP A10 Corporate group
CUNO A10 Customer number
CUNM A36 Customer name
CUA1 A36 Address line 1
CUA2 A36 Address line 2
CUA3 A36 Address line 3
CUA4 A36 Address line 4
PONO A10 Postal code
TOWN A20 City
MAIL A50 E-mail address
CUTP N1 Customer type
CUCL A3 Customer group
PYNO A10 Payer
CRLM N15.2 Credit limit 1
CRL2 N15.2 Credit limit 2
CRL3 N15.2 Credit limit 3
SMCD A10 Salesperson
WHLO A3 Warehouse
TXCO A3 Tax code customer
TOIN N15.2 Outstanding invoice amount
TBLG N15.2 Order value not invoiced
INRC A10 Invoice recipient
ITNO A15 Item number
ITDS A30 Item name
FUDS A60 Description 2
ITTY A3 Item type
ITGR A8 Item group
ITCL A5 Product group
BUAR A3 Business area
UNMS A3 Basic unit of measure
PUUN A3 Purchase unit of measure
PPUN A3 Purchase price unit of measure
SPUN A3 Sales price unit of measure
MABU N1 Make/buy code
NEWE N11.3 Net weight
GRWE N11.3 Gross weight
VOL3 N11.4 Volume
VTCP N2 VAT code purchase
VTCS N2 VAT code sales
PRGP A3 Procurement group
DCCD N1 Number of decimal places
ITNE A40 Extended item number
SAPR N17.2 Sales price
CUCS A3 Sales price currency
PUNO A10 Purchase order number
DATE D8 Entry date
PUDT D8 Order date
DWDT D8 Requested delivery date
LEDT D8 First print date
CONM A36 Company name
TEAF A3 Freight terms
TEPA A3 Packaging terms
FACI A3 Facility
POTC A2 Purchase order category
REVN A2 Revision number
NTAM N17.2 Net order value
BRAM N17.2 Gross order value
COAM N17.2 Total order cost
ODAM N17.2 Discount amount
TOQT N17.2 Total quantity
SAAM N17.2 Amount in local currency
LOCD A3 Local currency
PROJ A7 Project number
ELNO A8 Project element
OURR A10 Our reference
REMK A30 Remark
PUSL A2 Lowest status
PUST A2 Highest status
SLDT D8 Lowest status changed
SCDT D8 Highest status changed
PNLI N3 Purchase order line
PNLS N3 Purchase order subline
SITE A30 Supplier item number
PITD A30 Purchase order item name
PITT A60 Purchase order item description
ORQA N17.2 Ordered quantity in alternate unit
CFQA N17.2 Confirmed quantity
RVQA N17.2 Received quantity
CAQA N17.2 Approved quantity
IVQA N17.2 Invoiced quantity
RJQA N17.2 Rejected quantity
SDQA N17.2 Stored quantity
ADQA N17.2 Advised quantity
ORQT N17.2 Ordered quantity in basic unit
PUPR N17.4 Purchase price
CPPR N17.4 Confirmed purchase price
PUCD N5 Purchase price quantity
ODI1 N7.2 Discount 1
ODI2 N7.2 Discount 2
ODI3 N7.2 Discount 3
LNAM N17.2 Line amount in order currency
CUPR N19.4 Price in local currency
CODT D8 Confirmed delivery date
RCDT D8 Receipt date
IDAT D8 Invoice date
PURC A10 Requisitioner
RORC N1 Reference order category
RORN A10 Reference order number
RORL N6 Reference order line
SORN A20 Supplier order number
SPYN A10 Payee
SINO A24 Supplier invoice number
INYR N4 Invoice year
TRCD N2 Transaction code
YEA4 N4 Year
JRNO N7 Journal number
JSNO N7 Journal sequence number
VSER A3 Voucher number series
VONO N8 Voucher number
VSNO N3 Voucher sequence
IVTP A2 Invoice type
ARAT N13.6 Exchange rate
CUAM N17.2 Foreign currency amount
VTAM N17.2 VAT amount
ACAM N17.2 Recorded amount
IVDT D8 Invoice date
DUDT D8 Due date
ACDT D8 Accounting date
OCDT D8 Transaction date
PYTP A3 Payment type
IVBL N1 Payment stop
APRV N1 Approved
APCD A10 Authorizer
PYST N1 Payment status
PYRS A2 Remittance status
RECO N1 Reconciliation code
REDE D8 Reconciliation date
BKID A5 Bank account identity
PCUA N17.2 Paid amount foreign currency
PAMT N17.2 Paid amount
OCUA N17.2 Outstanding amount foreign currency
OAMT N17.2 Outstanding amount
TBCU N17.2 Taxable amount
TXCU N17.2 Tax amount
CDCU N17.2 Cash discount foreign currency
CDAM N17.2 Cash discount amount
INBN N10 Invoice batch number
IBTP A2 Invoice batch type
SUPA N2 Invoice status
BIST N1 Invoice batch in progress
IBHE N1 Head errors
IBLE N1 Line errors
TLNA N17.2 Total line amount net
TCHG N17.2 Total charges
TOPA N17.2 Total due
IMCD A1 Invoice matching
CORI A36 Correlation ID
TRNO N7 Transaction number
RDTP N2 Line type
NLAM N17.2 Net amount
GLAM N17.2 Gross amount
VTA1 N17.2 VAT amount 1
VTA2 N17.2 VAT amount 2
GRPR N17.4 Gross price
NEPR N17.4 Net price
CEID A6 Costing element
CDSE N3 Costing element sequence
REPN N10 Receiving number
SUDO A20 Delivery note number
PRPN N10 Payment proposal number
PYON N5 Payment order number
NOPD N5 Number of payment documents
PRPD D8 Proposal date
AITP N1 Accounting dimension
AITM A10 Accounting identity
AICL A8 Accounting identity group
TX40 A40 Description
TX15 A15 Name
LX40 A40 Translated description
LX15 A15 Translated name
AT01 N1 Balance sheet account
AT02 N1 Profit and loss account
AT03 N1 Accounts receivable account
AT04 N1 VAT account
AT11 N1 Accounts payable account
AT12 N1 Bank account
AT13 N1 Blocked for manual entry
LCCD N1 Blocked
VFDT D8 Valid from
VTDT D8 Valid to
FEID A4 FAM function
FNCN N3 FAM function number
AIT1 A10 Account
AIT2 A10 Accounting dimension 2
AIT3 A10 Accounting dimension 3
AIT4 A10 Accounting dimension 4
AIT5 A10 Accounting dimension 5
AIT6 A10 Accounting dimension 6
AIT7 A10 Accounting dimension 7
DBCR A1 Debit/credit code
ACQT N17.2 Quantity
ACYP N6 Accounting period
CYP6 N6 Period
VTXT A40 Voucher text
THCC A3 Third currency
TCAM N17.2 Third currency amount
BAKY A3 Balance key
AGNB A10 Agreement number
VALD D8 Valid from
PTID N17 Pointer to dimension combination
BIT1 A10 Account
BIT2 A10 Accounting dimension 2
BIT3 A10 Accounting dimension 3
BIT4 A10 Accounting dimension 4
BIT5 A10 Accounting dimension 5
BIT6 A10 Accounting dimension 6
BIT7 A10 Accounting dimension 7
VTYP N1 Value type
BUNO N3 Budget number
BVER A4 Budget version
PERI N2 Period
ACAD N17.2 Debit movement
ACAC N17.2 Credit movement
CUAD N17.2 Debit movement foreign currency
CUAC N17.2 Credit movement foreign currency
ACQD N17.2 Debit quantity
ACQC N17.2 Credit quantity
TX30 A30 Description
TIZO A3 Time zone
DTFM A3 Date format
DCFM A1 Decimal format
LANC A2 Language
USID A10 User
NAME A30 Name
MINM A10 MI program
MIDS A60 MI program description
TRNM A15 Transaction
TRDS A60 Transaction description
SIMU A1 Single or multiple
TRTP A1 Input or output
FLNM A10 Field
FLDS A60 Field description
FRPO N5 From position
TOPO N5 To position
LENG N5 Length
TYPE A1 Field type
MAND A1 Mandatory
FILE A10 Table
FLDN A6 Column
FLTY A1 Column type
FLLE N3 Column length
FLDP N2 Column decimals
SEPC A1 Separator
HDRS N1 Header row
QERY A984 Query
REPL A984 Reply
SQRY A1000 Search query
FRSU A10 From supplier
TOSU A10 To supplier
FRIT A15 From item
TOIT A15 To item
FLMD D8 From change date
TLMD D8 To change date
CSDS N1 Changed since
FRDT D8 From date
TODT D8 To date
RGDT D8 Entry date
RGTM N6 Entry time
LMDT D8 Change date
CHNO N3 Change number
CHID A10 Changed by
LMTS N18 Timestamp
"""


def _definition(line: str) -> FieldDefinition:
    name, shape, description = line.split(" ", 2)
    length, _, decimals = shape[1:].partition(".")
    return FieldDefinition(
        name=name,
        type=shape[0],
        length=int(length),
        decimals=int(decimals or 0),
        description=description,
    )


#: Field name → its definition.
DICTIONARY: dict[str, FieldDefinition] = {
    definition.name: definition
    for definition in (_definition(line) for line in _TEXT.strip().splitlines())
}
