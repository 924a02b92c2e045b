"""Images and labels of multi-label data sets, and which labels are known; knows nothing of methods."""

import logging

logging.getLogger(__name__).addHandler(logging.NullHandler())  # silent unless a program asks for the log
