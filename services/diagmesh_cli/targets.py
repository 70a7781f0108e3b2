"""What a command line names as its target: a service, or one instance of it."""

from diagmesh_cli.trouble import UsageError

__all__ = ["target_of"]


def target_of(text: str) -> tuple[str, str]:
    """Service and instance of ``SERVICE`` or ``SERVICE/INSTANCE``; what is not named is empty.

    Raises:
        UsageError: a part is empty that was begun: ``orders/$INSTANCE`` of a script, with an empty variable, must not
            mean all of orders.
    """
    service, slash, instance = text.partition("/")
    if slash and not (service and instance):
        lacks = "service before" if not service else "instance behind"
        raise UsageError(f"{text!r} has no {lacks} the /: write SERVICE or SERVICE/INSTANCE")
    return service, instance
