"""The Markdown report: report.md."""
