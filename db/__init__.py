"""What is kept: tables and their promises, migrations, and loading and storing in bulk. Only `workers` begins and commits."""
