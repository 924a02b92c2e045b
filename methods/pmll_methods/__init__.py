"""Methods for multi-label recognition with partial labels. The package does not depend on grids or stores."""
