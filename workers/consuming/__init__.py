"""How records get in: subscribing, where to start reading, lanes, acknowledging; and the three consumers."""
