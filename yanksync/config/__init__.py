"""The configuration: file, environment and flags become settings."""
