"""Verifying tokens by the keys of the issuers that they name (docs/contract.md section 12)."""
