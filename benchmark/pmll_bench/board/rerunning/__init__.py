"""Re-running a package: drawn cells are trained again, its methods checked, and run on data that nobody has seen."""
