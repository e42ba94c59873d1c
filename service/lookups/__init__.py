"""The bulk lookup of payers: all questions are parsed strictly, then answered from one snapshot."""
