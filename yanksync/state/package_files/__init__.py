"""What the state knows about copied package files."""
