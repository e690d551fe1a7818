"""The fact tables of the package, one module for each kind of definition."""
