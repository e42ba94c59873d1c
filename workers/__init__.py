"""What runs: consumers, relay and timers, and the process that plays these roles."""
