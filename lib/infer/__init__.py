"""Package of stage 03: from weights to probability maps."""
