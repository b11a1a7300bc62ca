"""The database of the stack: its roles, what each may do, and their passwords."""
