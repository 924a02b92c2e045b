"""The parts of `pmll-bench check`: small data sets, trials of a method on them, and the checks by name."""
