"""What journal entries and answers of upstream mean, and what follows from them."""
