"""Overlap of predicted and true masks."""
