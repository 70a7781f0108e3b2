"""``make soak``: the loaded demo in good health for ten minutes, judged all the time: there must be nothing to find."""
