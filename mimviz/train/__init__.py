"""Train a masked model: fit yields one Step after another."""

from .fit import Step, fit

__all__ = ["Step", "fit"]
