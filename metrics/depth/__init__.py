"""Depth errors: in scene units, relative, logarithmic, scale-invariant, per extent."""
