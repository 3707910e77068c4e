"""What the operating system refuses, on demand."""
