"""Incident drills: something breaks on an installation of the drill's own, and whoever practises mends it."""
