"""The store: a folder of cells, attempts and results that survives any failure."""
