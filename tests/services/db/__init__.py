"""Storage on a real PostgreSQL, with a database per test."""
