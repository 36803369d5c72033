"""A class graded on other machines by Dask distributed, imported only where a cluster is asked for.

The driver, `pool`, hands out orders and takes results; it alone has journal and gradebook. A worker, `worker`, grades
in processes of its own as a single machine does, and keeps each result in its spool until the driver has it. Whatever
ends, what was under way is given out again: an order is named by the content of the submission and of all that grades
it, so that a result counts once, whoever brings it.
"""
