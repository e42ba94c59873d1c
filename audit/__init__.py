"""Audits a running installation: checks that the promises of docs/contract.md, section 8, hold."""
