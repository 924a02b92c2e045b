"""Images and labels of multi-label data sets, and which labels are known; knows nothing of methods."""
