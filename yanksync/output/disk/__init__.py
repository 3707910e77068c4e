"""The output as a directory."""
