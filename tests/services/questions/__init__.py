"""The questions of section 11 of the contract, against a real PostgreSQL."""
