"""Commands that query: who pays, who paid, the state of an account, the published events."""
