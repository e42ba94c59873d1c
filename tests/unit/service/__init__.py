"""What the service does without servers."""
