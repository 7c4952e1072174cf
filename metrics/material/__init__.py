"""Errors of roughness and of specular reflectance."""
