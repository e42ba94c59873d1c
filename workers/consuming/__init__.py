"""How records get in: subscribing, where to start, lanes, acknowledging; and the three consumers."""
