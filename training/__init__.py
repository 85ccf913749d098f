"""What happened next, and models of it."""

__all__ = ["KINDS"]

KINDS = ("attrition", "lifetime-value")
"""Every kind of model, in the order in which they are trained."""
