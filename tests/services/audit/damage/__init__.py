"""What is planted, by what it damages."""
