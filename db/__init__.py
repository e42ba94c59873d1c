"""Persistence: tables and their promises, migrations, bulk loading and storing. Only `workers` commits."""
