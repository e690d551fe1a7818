"""HTTP in and out: the doors of the server."""
