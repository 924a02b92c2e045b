"""The forms in which a user's own data set may come, a module each: tables, columns, signs, names, splits, objects."""
