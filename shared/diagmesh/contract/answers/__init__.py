"""Answer types with more than one reader: the agent that writes them, and the views and rules that read them."""
