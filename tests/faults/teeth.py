"""Which mutants died of what in this run."""

deaths: list[tuple[str, str]] = []
"""Names, and the finding that names the death."""
