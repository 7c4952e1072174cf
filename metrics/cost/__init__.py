"""What an item cost."""
