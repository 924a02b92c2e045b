"""The grid, the store, the launchers, the reports and the command line of pmll-bench."""
