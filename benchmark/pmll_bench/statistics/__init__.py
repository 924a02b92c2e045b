"""Statistics of comparisons: resamples, intervals, tests and ranks of plain arrays."""
