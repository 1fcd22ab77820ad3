"""What may be sent to each suite at all: one grammar of reads per suite. Nothing is ever written to CloudSuite."""
