"""The comparison of another index with the state."""
