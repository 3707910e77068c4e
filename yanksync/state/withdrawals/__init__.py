"""The events of the log of withdrawals, and what is to become one."""
