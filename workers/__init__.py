"""What runs: the consumers, the relay, and the command line."""
