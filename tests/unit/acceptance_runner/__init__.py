"""Tests of the acceptance runner itself: without servers, and mostly of its ability to fail."""
