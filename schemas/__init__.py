"""What is said: facts, commands, results, events, the envelope they travel in and the topics they travel on."""
