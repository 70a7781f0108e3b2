"""The wire as data: subjects, questions, replies, findings. No I/O, no clock, nothing but structure."""
