"""What a transform writes beside the artifact: the files that clients of Neptune ML know, and a table."""
