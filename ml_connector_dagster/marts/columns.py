"""Columns of marts, written short."""

from ml_connector_dagster.marts.mart import MartColumn
from ml_connector_dagster.model.entities import ColumnType


#: Whose rows they are: every mart begins with these two.
COMPANY = (
    MartColumn(
        name="tenant",
        type=ColumnType.STRING,
        description="the connection that the rows were read from",
    ),
    MartColumn(name="company", type=ColumnType.STRING, description="company number"),
)

#: Known to the connector, not to the ERP.
AS_OF_DATE = MartColumn(
    name="as_of_date",
    type=ColumnType.DATE,
    description="the day up to which everything this row is made of has been delivered; it stays until the next run",
)


def text(name: str, description: str) -> MartColumn:
    return MartColumn(name=name, type=ColumnType.STRING, description=description)


def integer(name: str, description: str) -> MartColumn:
    return MartColumn(name=name, type=ColumnType.INTEGER, description=description)


def decimal(name: str, description: str) -> MartColumn:
    return MartColumn(name=name, type=ColumnType.DECIMAL, description=description)


def day(name: str, description: str) -> MartColumn:
    return MartColumn(name=name, type=ColumnType.DATE, description=description)


def flag(name: str, description: str) -> MartColumn:
    return MartColumn(name=name, type=ColumnType.BOOLEAN, description=description)
