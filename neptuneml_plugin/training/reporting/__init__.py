"""`report.html` of a training: what it learned, how well, beside its trivial competitors, and in which trials."""
