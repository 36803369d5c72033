"""The doctor: a module for each part of what grading needs, and what it says about them."""
