"""What is kept: tables and their promises, migrations, loading and storing in bulk. Only `workers` commits."""
