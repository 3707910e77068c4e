"""The output: reconciling, and what every store must do."""
