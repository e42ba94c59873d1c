"""The store on a real PostgreSQL, a database of its own for each test."""
