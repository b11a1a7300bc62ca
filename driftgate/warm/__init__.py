"""Forks of a process that has slow packages imported: programs begin in milliseconds, and share its memory.

`driftgate up` keeps such a process, the lender. A program of ours asks it for a fork through a Unix socket that this
user alone may open, and hands over its standard streams, variables and folder; the fork then is that program. Where
anything is amiss there is no fork, and the caller starts a process as it does otherwise.
"""
