"""``python -m diagmesh_cli``: the program `diagmesh`."""

from diagmesh_cli.main import main

if __name__ == "__main__":
    main()
