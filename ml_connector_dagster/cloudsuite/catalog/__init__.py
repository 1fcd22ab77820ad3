"""What a product line calls things: one YAML file per line, and a tenant's own file laid over it."""
