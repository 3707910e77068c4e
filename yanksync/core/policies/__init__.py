"""What is offered of a page."""
