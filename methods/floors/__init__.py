"""Trivial methods: what any method must beat to have said something."""
