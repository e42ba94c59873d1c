"""The role `maintenance`: its chores, and what they leave."""
