"""The CSV report: scores.csv for a spreadsheet, items.csv for an analysis."""
