"""The web page of withdrawals, as bytes."""
