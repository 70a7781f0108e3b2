"""The files that a check leaves for others: a JUnit report for machines, an HTML report for people."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from diagmesh.contract.findings import Severity
from diagmesh.contract.verdicts import Check
from diagmesh.packs import load_rules
from diagmesh_cli.files import replace
from diagmesh_cli.junit import begin_junit, write_junit
from diagmesh_cli.report.context import Made
from diagmesh_cli.trouble import UsageError

__all__ = ["Reports"]

_FILE = Parameter(show_default=False)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Reports:
    """Which files to write.

    Args:
        junit: write a JUnit report, one test case per rule, into this file.
        html: write a report for people, one file that opens without a network, into this file.
    """

    junit: Annotated[Path | None, _FILE] = None
    html: Annotated[Path | None, _FILE] = None

    def ready(self) -> None:
        """Find out before anybody is asked whether they can be made; JUnit tells an error until then.

        Raises:
            UsageError: a package is missing, or a file cannot be written; it says which.
        """
        if self.html is not None:
            _renderer()
        if self.junit is not None:
            begin_junit(self.junit)

    def write(self, check: Check, made: Made, fail_on: Severity) -> None:
        """Write them.

        Args:
            check: what was said.
            made: how it came about.
            fail_on: the mildest severity that fails a test case.

        Raises:
            UsageError: a file cannot be written.
        """
        if self.junit is not None:
            write_junit(check, fail_on, self.junit, (made.took_ms or 0.0) / 1000)
        if self.html is not None:
            pages = {code: page.text for code, page in load_rules().pages.items()}
            replace(self.html, _renderer()(check, made, pages).encode(), "--html")


def _renderer() -> Callable[[Check, Made, Mapping[str, str]], str]:
    try:
        from diagmesh_cli.report.render import html_of  # noqa: PLC0415  its packages are an extra
    except ModuleNotFoundError as error:
        raise UsageError(f"--html needs {error.name}: install it with  pip install 'diagmesh[html]'") from None
    return html_of
