"""What commands that print share: times and durations, columns, the pager."""
