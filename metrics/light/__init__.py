"""Errors of the estimated environment light."""
