"""Whether the packages on a device are of versions that ran on such a board. Pure."""

from collections.abc import Iterator

from groupnl_deploy.deploy.certified import certified, table
from groupnl_deploy.deploy.doctor_packages import provision_remedy
from groupnl_deploy.deploy.examined import Examined, Finding
from groupnl_deploy.deploy.wheels import MAIN_PACKAGES, target_of


def certificates(found: Examined) -> Iterator[Finding]:
    """What is known of each backend's version there; nothing of boards of which nobody has tried any."""
    target = target_of(found.readiness.machine)
    if target is None or all(one.set.target != target.name for one in table().sets):
        return
    for one in found.readiness.backends:
        backend = one.runtime.backend
        package = MAIN_PACKAGES.get(backend)
        version = one.runtime.packages.get(package) if package else None
        if package is None or version is None:
            continue
        verdict = certified(package, version, target.name)
        what, remedy = f"{package} {version}", provision_remedy(found, backend)
        if verdict.state == "certified":
            yield Finding("fine", f"{what} ran on such a board ({target.name})")
        elif verdict.refused:
            yield Finding("warning", f"{what} is not for such a board: {verdict.evidence}", remedy)
        else:
            yield Finding(
                "note",
                f"{what}: nobody has run it on such a board ({target.name}) yet",
                provision_remedy(found, backend),
            )
