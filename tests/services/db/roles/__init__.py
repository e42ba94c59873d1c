"""The roles of the database."""
