"""What a backend's packages depend on *on another machine*: each package once, at the newest version that all allow.

pip can look for another machine's wheels, and yet asks this machine whether a dependency is needed: on x86 it would
bring an Arm board the CUDA packages that PyTorch has for x86. So requirements are followed here, a wheel at a time.
"""

from collections.abc import Iterator

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from groupnl_deploy.deploy import pip
from groupnl_deploy.deploy.wheels import MAIN_PACKAGES, WheelSet, WheelTarget, backend_packages
from groupnl_deploy.errors import UsageError
from groupnl_deploy.progress import Reporter

_FOR_CUDA = ("nvidia-", "cuda-", "triton")


def resolve(target: WheelTarget, backend: str, python: str, version: str | None, reporter: Reporter) -> WheelSet:
    """A set that nobody has run. Nothing is downloaded but what wheels say of themselves.

    Raises `UsageError` where a package has no wheel for the target, or asks for CUDA's.
    """
    main = MAIN_PACKAGES[backend]
    exact = {} if version is None else {main: SpecifierSet(f"=={version}")}
    wanted = {name: exact.get(name, SpecifierSet()) for name in backend_packages(backend)}
    found: dict[str, pip.Found] = {}
    environment = _environment(target, python)
    pending = [main, *(name for name in wanted if name != main)]
    with reporter.task("Looking for wheels") as task:
        while pending:
            name = pending.pop(0)
            if name in found and found[name].wheel.version in wanted[name]:
                continue
            task(len(found), None, name)
            found[name] = pip.look_up(f"{name}{wanted[name]}", target, python)
            for other, allowed in _needed(found[name], environment):
                wanted[other] = wanted.get(other, SpecifierSet()) & allowed
                pending.append(other)
    wheels = sorted((one.wheel for one in found.values()), key=lambda wheel: wheel.file)
    return WheelSet(target.name, backend, python, None, tuple(wheels))


def _needed(found: pip.Found, environment: dict[str, str]) -> Iterator[tuple[str, SpecifierSet]]:
    """The packages that a wheel needs there, and the versions that it allows."""
    for line in found.requires:
        requirement = Requirement(line)
        if requirement.marker is not None and not requirement.marker.evaluate(environment):
            continue
        name = canonicalize_name(requirement.name)
        if name.startswith(_FOR_CUDA):
            raise UsageError(
                f"{found.wheel.package} {found.wheel.version} for this target is a build for CUDA: it needs {name}.",
                "Choose an older one with --version, which is built for the processor alone.",
            )
        yield name, requirement.specifier


def _environment(target: WheelTarget, python: str) -> dict[str, str]:
    """What markers are judged by: the board's system and Python; no extra."""
    return {
        "extra": "",
        "os_name": "posix",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": target.machine,
        "platform_release": "",
        "platform_version": "",
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
        "implementation_version": f"{python}.0",
        "python_version": python,
        "python_full_version": f"{python}.0",
    }
