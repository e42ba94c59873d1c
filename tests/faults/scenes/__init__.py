"""Scenes that make up the load: a few records each, in order, as one organization and its upstreams send them."""
