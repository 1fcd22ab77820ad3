"""Distribution SX.e: tables by FetchWhere."""
