"""The protocols of consumer, batch and relay as small models, explored exhaustively (docs/simulation.md)."""
