"""Depth errors relative to the size of the object."""
