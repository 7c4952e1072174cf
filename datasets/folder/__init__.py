"""A user's own images, masks and whatever ground truth lies beside them."""
