"""The seeded ERP behind the stand-ins: tables, generator, changes, truth."""
