"""How fast questions are answered over HTTP, in a large database, beside what cannot be avoided."""
