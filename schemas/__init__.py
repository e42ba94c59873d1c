"""The messages: facts, commands, results and events, their envelope, and their topics."""
