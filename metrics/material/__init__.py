"""Errors of roughness, metalness and specular reflectance."""
