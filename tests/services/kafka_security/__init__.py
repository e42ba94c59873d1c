"""Tests against a broker as in production: TLS, users, certificates, an authorizer."""
