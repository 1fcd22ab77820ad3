"""Suites that are read by GET alone: nothing but known reads of SyteLine and LN is ever sent."""

import pytest

from ml_connector_dagster.cloudsuite.catalog.ln import SetRoute, load_ln_catalog
from ml_connector_dagster.cloudsuite.catalog.syteline import LoadRoute, load_syteline_catalog
from ml_connector_dagster.cloudsuite.read_guard import ReadGuard
from ml_connector_dagster.model.errors import ConfigError


SYTELINE, LN = ReadGuard("CSI"), ReadGuard("LN")
IDO = "/IDORequestService/ido"
ODATA = "/lnapi/odata"


def test_loads_and_infos_are_reads() -> None:
    path = f"{IDO}/load/SLVendors?properties=VendNum&filter=Name%20%3D%20%27a%3Bb%27&recordcap=5&loadtype=NEXT&bookmark=%3CB%2F%3E&orderby=RecordDate&readonly=true"
    assert SYTELINE.judge_get(path) == "load/SLVendors"
    assert SYTELINE.judge_get(f"{IDO}/info/SLVendors") == "info/SLVendors"


def test_sets_and_metadata_are_reads() -> None:
    path = f"{ODATA}/tdapi.purPurchaseOrder/Orders?$select=A,B&$filter=A%20eq%20'x'&$orderby=A&$top=5&$skip=4&$count=true"
    assert LN.judge_get(path) == "tdapi.purPurchaseOrder/Orders"
    assert LN.judge_get(f"{ODATA}/tcapi.ibdItem/$metadata") == "tcapi.ibdItem/$metadata"
    assert LN.judge_get(f"{ODATA}/tcapi.ibdItem/Items?%24skiptoken=x") == "tcapi.ibdItem/Items"


@pytest.mark.parametrize(
    "path",
    [
        f"{IDO}/update/SLVendors",
        f"{IDO}/invoke/SLVendors?method=Purge",
        f"{IDO}/load/SLVendors?clm=MyMethod&clmparam=1",
        f"{IDO}/load/SLVendors?pqc=Purge",
        f"{IDO}/load/SLVendors?PQC=Purge",
        f"{IDO}/load/SLVendors?properties=A&%70qc=Purge",
        f"{IDO}/load/SLVendors?properties=A;pqc=Purge",
        f"{IDO}/load/SLVendors?properties=A#&pqc=Purge",
        f"{IDO}/load/SLVendors?properties=A%2",
        f"{IDO}/load/SLVendors?properties=A B",
        f"{IDO}/load/../update/SLVendors",
        f"{IDO}/load/SLVendors/../../update/SLVendors",
        f"{IDO}/load/%2e%2e%2fupdate",
        f"{IDO}/load//SLVendors",
        f"{IDO}/Load/SLVendors",
        f"{IDO}/load/",
        f"/{IDO}/load/SLVendors",
        f"{IDO}/token/ACME",
    ],
)
def test_everything_else_of_syteline_is_refused(path: str) -> None:
    with pytest.raises(ConfigError, match="not sent"):
        SYTELINE.judge_get(path)


@pytest.mark.parametrize(
    "path",
    [
        f"{ODATA}/tdapi.purPurchaseOrder/Orders('1')/Approve",
        f"{ODATA}/tdapi.purPurchaseOrder/Approve(Order='1')",
        f"{ODATA}/tdapi.purPurchaseOrder/Orders/Approve",
        f"{ODATA}/tdapi.purPurchaseOrder/$batch",
        f"{ODATA}/tdapi.purPurchaseOrder/Orders?$apply=x",
        f"{ODATA}/tdapi.purPurchaseOrder/Orders?action=approve",
        f"{ODATA}/tdapi.purPurchaseOrder/Orders?$top=1;action=approve",
        f"{ODATA}/../odata/tdapi.purPurchaseOrder/Orders",
        f"{ODATA}/tdapi..purPurchaseOrder/Orders",
        f"{ODATA}/tdapi.purPurchaseOrder/%4frders",
        "/lnapi/rest/Orders",
    ],
)
def test_everything_else_of_ln_is_refused(path: str) -> None:
    with pytest.raises(ConfigError, match="not sent"):
        LN.judge_get(path)


@pytest.mark.parametrize("guard", [SYTELINE, LN])
@pytest.mark.parametrize(
    "path", [f"{IDO}/load/SLVendors", f"{IDO}/update/SLVendors", f"{ODATA}/a.b/Cs"]
)
def test_nothing_is_posted(guard: ReadGuard, path: str) -> None:
    with pytest.raises(ConfigError, match="nothing is ever written"):
        guard.judge_post(path, {"Changes": []})


def test_an_option_that_is_refused_is_named_without_its_value() -> None:
    with pytest.raises(ConfigError, match=r"'pqc'") as caught:
        SYTELINE.judge_get(f"{IDO}/load/SLVendors?pqc=Northwind")
    assert "Northwind" not in str(caught.value)


def test_whatever_the_built_in_catalogs_name_passes() -> None:
    for syteline in load_syteline_catalog().entities.values():
        for load in syteline.routes.values():
            for part in load.idos if isinstance(load, LoadRoute) else ():
                assert SYTELINE.judge_get(f"{IDO}/load/{part.ido}") == f"load/{part.ido}"
    for ln in load_ln_catalog().entities.values():
        for odata in ln.routes.values():
            if isinstance(odata, SetRoute):
                name = f"{odata.service}/{odata.set}"
                assert LN.judge_get(f"{ODATA}/{name}") == name
