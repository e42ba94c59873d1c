"""How many items of a long list a message includes (docs/contract.md section 6)."""

LISTED_PROJECTS = 20
"""How many projects blockers list."""
