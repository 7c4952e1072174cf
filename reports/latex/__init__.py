"""The LaTeX report: table.tex for a paper, and report.tex that compiles it alone."""
