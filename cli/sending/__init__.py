"""Commands that send, and what came of it."""
