"""Inverse shading with spherical harmonics: light, albedo and shape from one image."""
