"""Tests of what is decided: enumerated where it can be, and the fold as a property."""
