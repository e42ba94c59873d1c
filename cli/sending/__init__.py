"""Commands that send messages, and show their answers."""
