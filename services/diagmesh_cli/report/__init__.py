"""A check as an HTML report: one file that opens anywhere, without a network, and can be sent and printed."""
