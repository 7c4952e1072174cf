"""What every report shares: the summary of a run, its statistics, words, figures and pictures."""
