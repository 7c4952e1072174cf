"""What trained methods share: where they compute, and files that are there whole or not at all."""
