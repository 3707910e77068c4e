"""The audit: which pins are withdrawn."""
