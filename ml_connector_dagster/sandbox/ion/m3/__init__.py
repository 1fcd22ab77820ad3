"""M3 behind the gateway: m3api-rest v1 and v2 (reference cloudsuite-api §2)."""
