"""Views: how one kind of answer is shown to a person."""
