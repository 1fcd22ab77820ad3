"""Alerts: what is wrong is looked for, remembered in the ledger, and told to whoever should know, once."""
