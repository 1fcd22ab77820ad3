"""Infor CloudSuite ERP data into warehouses and applications, as partitioned Dagster assets."""
