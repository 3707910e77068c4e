"""The operating system and plain HTTP, without any knowledge of mirrors."""
