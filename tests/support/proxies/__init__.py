"""Connections that a test can break: cut, half-closed, slow, or silent; one request held back, one answer swallowed."""
