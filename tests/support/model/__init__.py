"""The contract (docs/contract.md) written out a second time, as a simple model to compare with."""
