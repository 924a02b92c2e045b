"""Images and labels of multi-label data sets, and which labels are known; independent of any method."""

import logging

logging.getLogger(__name__).addHandler(logging.NullHandler())  # silent unless the program configures logging
