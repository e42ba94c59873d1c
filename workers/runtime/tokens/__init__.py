"""Tokens: whether one holds, by the keys of the issuer that it names (docs/contract.md section 12)."""
