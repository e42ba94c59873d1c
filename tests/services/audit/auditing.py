"""An audit of a test's installation."""

from audit.findings import Finding
from audit.installation import Progress, audited
from tests.support.installations import Installation


async def findings_of(installation: Installation, progress: Progress = lambda *_: None) -> list[Finding]:
    """Audit an installation as it stands."""
    return [finding async for finding in audited(installation.settings, installation.engine, progress)]
