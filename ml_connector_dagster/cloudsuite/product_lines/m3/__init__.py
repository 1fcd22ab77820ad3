"""Infor M3: MI transactions and EXPORTMI behind the ION API Gateway (reference cloudsuite-api §2)."""
