"""The console at `/`: static files without third-party code, which use only the public API of section 11."""
