"""How well the tests notice that the code is wrong: small changes at random places, and the tests run on each.

A tool of our own, since whopays' rules live in statements of SQL as much as in Python, its services run as processes of
their own that must load the changed code too, and which tests to run is known by folder: mutmut and cosmic-ray do
neither.
"""
