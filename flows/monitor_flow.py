"""`python monitor_flow.py` is `driftgate monitor`; `--help` lists the options. A script: nothing imports it.

It is short because the flow itself is in `flows/monitor.py`, and the command in `flows/cli/app.py`.
"""

if __name__ == "__main__":
    import sys
    from pathlib import Path

    # In place of this folder, which is no package root: its modules would hide others of the same name.
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from flows.cli import main

    main(["monitor", *sys.argv[1:]])
