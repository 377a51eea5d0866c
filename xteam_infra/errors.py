"""The errors a user of the provisioner meets. Each names the setting and the fix."""

from dataclasses import dataclass

from pyinfra.api.exceptions import PyinfraError


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong with the declaration: where it stands, what was found and what is allowed."""

    file: str
    key: str
    found: str
    allowed: str

    def __str__(self) -> str:
        return f"{self.file}: {self.key}\n    found:   {self.found}\n    allowed: {self.allowed}"


class SettingsError(PyinfraError):
    """The declaration can't be carried out. Raised before any host is changed, with every problem at once."""

    def __init__(self, problems: list[Problem]):
        self.problems = sorted(set(problems))
        count = len(self.problems)
        lines = "\n".join(f"- {problem}" for problem in self.problems)
        super().__init__(f"{count} problem{'s' * (count != 1)}; no host was changed\n{lines}")


class SecretsError(PyinfraError):
    """The secrets store can't be read or written, or holds something unusable."""


class CertificateError(PyinfraError):
    """The internal certificate authority can't be used."""
