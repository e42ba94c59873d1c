"""Incident drills: something breaks in an installation made for the drill, and the operator repairs it."""
