"""The demonstration: a story of two organizations, played on real servers and told while it happens."""
