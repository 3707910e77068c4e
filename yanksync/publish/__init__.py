"""The output: where everything stands, what has to change there, and the stores that hold it."""
