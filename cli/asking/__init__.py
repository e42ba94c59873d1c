"""Commands that ask: who pays, who paid, how an account stands, what is being published."""
