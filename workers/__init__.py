"""The background roles (consumers, relay, timers) and the process that runs them."""
