"""The console in a real browser: what each page shows, on one installation that a story was told to."""
