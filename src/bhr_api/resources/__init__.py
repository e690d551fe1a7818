"""What single resource types add to the generic engine, as pure hooks."""
