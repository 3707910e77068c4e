"""The whole of it: real web server, real installers, and the command line in between."""
