"""An issuer's keys: which of them count, how they are read, and what happens while they cannot be."""
