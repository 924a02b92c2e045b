"""Reports on a store: data frames, tables and plots."""
