"""Who asks a command, where tokens are checked."""
