"""Executors run jobs. Nothing else in the core knows where a job runs."""
