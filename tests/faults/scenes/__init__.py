"""Scenes that the load is made of: a few records each, in order, as one organization and its upstreams say them."""
