"""typer 0.25 imports names that click 8.5 deprecates; here warnings are errors, so it is imported before they are."""

import warnings


with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import typer.main  # noqa: F401
