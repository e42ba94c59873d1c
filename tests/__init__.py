"""The tests of whopays; helpers they share are imported as `tests.name`."""
