"""The demonstration: a story of two organizations, played on real servers and narrated as it happens."""
