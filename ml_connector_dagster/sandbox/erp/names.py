"""Words that the generator makes believable names from."""

#: Country, currency, language, town, postal code pattern, telephone prefix.
PLACES = (
    ("SE", "SEK", "SV", "Göteborg", "411 ##", "+46 31 ######"),
    ("SE", "SEK", "SV", "Malmö", "211 ##", "+46 40 ######"),
    ("DE", "EUR", "DE", "München", "803##", "+49 89 ######"),
    ("DE", "EUR", "DE", "Hamburg", "200##", "+49 40 ######"),
    ("FR", "EUR", "FR", "Saint-Étienne", "420##", "+33 4 77 ######"),
    ("GB", "GBP", "GB", "Leeds", "LS# 4DP", "+44 113 ######"),
    ("IE", "EUR", "GB", "Dún Laoghaire", "A96 E####", "+353 1 ######"),
    ("PL", "PLN", "PL", "Łódź", "90-###", "+48 42 ######"),
    ("CZ", "CZK", "CS", "Plzeň", "301 ##", "+420 377 ######"),
    ("US", "USD", "GB", "Columbus", "432##", "+1 614 555 ####"),
    ("US", "USD", "GB", "Portland", "972##", "+1 503 555 ####"),
    ("JP", "JPY", "JA", "大阪市", "530-####", "+81 6 ######"),
    ("DK", "DKK", "DA", "Ålborg", "90##", "+45 98 ## ## ##"),
    ("NL", "EUR", "NL", "Eindhoven", "56## AB", "+31 40 ######"),
    ("ES", "EUR", "ES", "A Coruña", "150##", "+34 981 ######"),
)

#: Rate of each currency to the local currency (SEK).
RATES = {
    "SEK": "1.000000",
    "EUR": "11.245000",
    "GBP": "13.310000",
    "USD": "10.485000",
    "PLN": "2.612300",
    "CZK": "0.448700",
    "JPY": "0.071250",
    "DKK": "1.507400",
}

#: Names that break careless code come first: every company has them.
AWKWARD_NAMES = (
    "O'Brien & Sons Ltd",
    'Müller "Präzision" GmbH',
    "Smørrebrød/Æblegård A/S",
    "Żółta Łódka Sp. z o.o.",
    "株式会社さくら工業",
    "Café René; Fils, S.A.",
    "100% Steel | Pipes",
    "Null",
)

FIRST_WORDS = (
    "Northwind", "Contoso", "Fabrikam", "Tailspin", "Adventure", "Wingtip", "Litware", "Proseware",
    "Blåvand", "Östgöta", "Rhein", "Isère", "Pennine", "Baltic", "Moravia", "Great Lakes",
    "Cascade", "Kansai", "Limfjord", "Brabant", "Galicia", "Vänern", "Donau", "Loire",
)  # fmt: skip
SECOND_WORDS = (
    "Metals", "Fasteners", "Bearings", "Plastics", "Castings", "Tools", "Hydraulics", "Logistics",
    "Packaging", "Electronics", "Chemicals", "Textiles", "Timber", "Glass", "Rubber", "Coatings",
)  # fmt: skip
LEGAL_FORMS = {
    "SE": "AB", "DE": "GmbH", "FR": "SARL", "GB": "Ltd", "IE": "Ltd", "PL": "Sp. z o.o.",
    "CZ": "s.r.o.", "US": "Inc", "JP": "KK", "DK": "A/S", "NL": "B.V.", "ES": "S.L.",
}  # fmt: skip
STREETS = (
    "Storgatan", "Industrivägen", "Hauptstraße", "Rue de l'Église", "Mill Lane", "Harbour Road",
    "ul. Długa", "Náměstí Míru", "Elm Street", "Søndergade", "Kerkstraat", "Calle Mayor",
)  # fmt: skip

ITEM_KINDS = (
    ("Bracket", "METAL", "PCS", "0.240"),
    ("Hex bolt", "FASTN", "PCS", "0.018"),
    ("Ball bearing", "BEARG", "PCS", "0.310"),
    ("Steel sheet", "METAL", "KG", "1.000"),
    ("Hydraulic hose", "HYDRA", "M", "0.870"),
    ("Gasket", "RUBBR", "PCS", "0.011"),
    ("Façade panel", "GLASS", "M2", "12.500"),
    ("Control unit", "ELECT", "PCS", "0.950"),
    ("Lubricant", "CHEM", "L", "0.890"),
    ("Pallet", "PACKG", "PCS", "21.000"),
    ("Freight service", "SERV", "PCS", "0.000"),
    ("Rör 90°", "METAL", "PCS", "0.420"),
)
FINISHES = ("zinc", "stainless", "black", "galvanised", "anodised", "raw", "grön", "blå")
BUYERS = ("MLSBUY", "ANNAK", "JOHANS", "PIOTRW", "SBROWN")
USERS = ("M3SRVADM", "ANNAK", "JOHANS", "PIOTRW", "SBROWN", "MECUSER")

#: Account number, name, group, kind: b balance sheet, p profit and loss, a payables, r receivables, v VAT, k bank.
ACCOUNTS = (
    ("1510", "Accounts receivable", "ASSETS", "br"),
    ("1910", "Cash", "ASSETS", "b"),
    ("1930", "Bank account", "ASSETS", "bk"),
    ("1410", "Raw material stock", "ASSETS", "b"),
    ("2081", "Share capital", "EQUITY", "b"),
    ("2440", "Accounts payable", "LIABIL", "ba"),
    ("2445", "Goods received, not invoiced", "LIABIL", "b"),
    ("2640", "Input VAT", "LIABIL", "bv"),
    ("2610", "Output VAT", "LIABIL", "bv"),
    ("3010", "Sales, domestic", "INCOME", "p"),
    ("3050", "Sales, export", "INCOME", "p"),
    ("4010", "Raw material purchases", "COGS", "p"),
    ("4020", "Purchases, förbrukningsvaror", "COGS", "p"),
    ("4400", "Subcontracted work", "COGS", "p"),
    ("4990", "Price variances", "COGS", "p"),
    ("5010", "Rent of premises", "OPEX", "p"),
    ("5410", "Small tools", "OPEX", "p"),
    ("5610", "Vehicle costs", "OPEX", "p"),
    ("5710", "Freight in", "OPEX", "p"),
    ("6110", "Office supplies", "OPEX", "p"),
    ("6530", "Accounting services", "OPEX", "p"),
    ("7010", "Wages", "STAFF", "p"),
    ("7510", "Social security", "STAFF", "p"),
    ("7960", "Exchange losses", "FINAN", "p"),
)
COST_CENTRES = (
    "Production",
    "Warehouse",
    "Purchasing",
    "Sales",
    "Administration",
    "R&D",
    "Kvalitet",
)
