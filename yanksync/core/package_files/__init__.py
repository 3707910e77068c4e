"""Package files of a mirror that copies them: their places, and which of them a page offers."""
