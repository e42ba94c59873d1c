"""The audit of a living installation: what docs/contract.md section 8 promises, looked up instead of believed."""
