"""One pass: the steps are in pipeline.py, in order."""
