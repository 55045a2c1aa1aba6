"""The version, in one literal that the build reads too."""

__version__ = "0.1.0"
