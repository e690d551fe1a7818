"""`python -m bhr_api`: the same as the command `bhr-api`."""

from bhr_api.cli import main

# Worker processes are spawned, which imports this module again under another name.
if __name__ == "__main__":
    main()
