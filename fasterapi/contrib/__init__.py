"""fasterapi inside of other servers and frameworks: each module says which, and how to use it.

Nothing here is imported by anything else of the package, but for ``App`` when a server calls it.
"""
