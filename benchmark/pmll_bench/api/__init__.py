"""The Python interface: what `import pmll_bench as pb` offers, in terms of the same plans, runs and reports."""
