"""Diagnostics that need no truth about what they look at: they are shown and never ranked."""
