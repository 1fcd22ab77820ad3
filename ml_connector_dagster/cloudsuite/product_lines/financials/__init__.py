"""Financials & Supply Management (FSM): generic lists of Landmark business classes."""
