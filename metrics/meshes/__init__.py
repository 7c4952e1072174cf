"""Distances between meshes."""
