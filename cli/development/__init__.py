"""`whopays dev` and the servers that it and the demo run on."""
