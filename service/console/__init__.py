"""The console at `/`: static files of the platform's own means, which ask nothing but the public API of section 11."""
