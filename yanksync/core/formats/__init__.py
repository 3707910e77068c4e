"""Documents of the Simple API, from bytes to values and back."""
