"""Methods for multi-label recognition with partial labels: fit and predict; knows nothing of grids or stores."""
