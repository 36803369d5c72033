"""Lookback's autograder. `from autograder import check` is all that an assignment's hidden test needs."""


def check(name: str) -> float:
    """Points of the exercise `name`, which is defined in the running notebook; the checks that failed are printed.

    This is how plain nbgrader grades a cell. Lookback's own engine never calls it: there the same checks run outside
    the student's process. The environment variable LOOKBACK_SEED fixes the inputs of the checks; without it they are
    drawn, and the seed is printed.

    Example: `check("soft_lookup")`
    """
    from autograder.plain import check_in_notebook

    return check_in_notebook(name)
