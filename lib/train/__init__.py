"""Package of stage 02: from a recipe and a fold to weights."""
