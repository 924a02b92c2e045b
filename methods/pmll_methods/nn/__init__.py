"""Parts of networks that two methods or more use."""
