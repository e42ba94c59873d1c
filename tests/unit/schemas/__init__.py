"""Tests of what is said: reading strictly, writing once."""
