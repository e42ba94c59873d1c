"""How much a message lists of what may be very many (docs/contract.md section 6)."""

LISTED_PROJECTS = 20
"""How many projects blockers list."""
