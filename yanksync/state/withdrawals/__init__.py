"""The events of the log of withdrawals, and their candidates."""
