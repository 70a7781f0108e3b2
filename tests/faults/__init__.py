"""``make faults``: every fault on a real mesh beside the real Go demo, and which finding names it."""
