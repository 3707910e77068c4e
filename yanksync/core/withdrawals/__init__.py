"""What people see of withdrawals: events, and the documents that show them."""
