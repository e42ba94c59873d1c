"""The audit: it finds nothing where nothing is wrong, and everything that is planted."""
