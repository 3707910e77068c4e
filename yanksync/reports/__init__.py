"""Reports for the people who use releases that upstream withdrew."""
