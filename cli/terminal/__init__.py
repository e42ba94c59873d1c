"""What the commands share: output, errors in words, and which installation they talk to."""
