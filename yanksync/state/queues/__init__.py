"""What waits: pages to be asked for, pages to be published, changes to be sent to hooks."""
