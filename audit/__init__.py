"""The audit of a running installation: whether the promises of docs/contract.md, section 8, hold."""
