"""The figures report: distributions and quality against time, as PNG and PDF."""
