"""`python -m bhr_api`: the same as the command `bhr-api`."""


def main() -> None:
    """Run the command that the arguments name."""
    # Each worker process imports its parent's main module again, and needs nothing of the command line.
    from bhr_api.cli import main as run_command

    run_command()


if __name__ == "__main__":
    main()
