"""The file formats of a user's own data set: tables and COCO-style JSON, label cells, name lists and splits."""
