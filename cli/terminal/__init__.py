"""Shared by all commands: output, error messages, and which installation they talk to."""
