"""Library of the five stages: a package for each stage, over shared modules."""
