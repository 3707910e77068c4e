"""What commands and metrics read from several tables at once."""
