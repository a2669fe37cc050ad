"""What benchmarks state about the machine: its processor and the versions of packages."""

from pathlib import Path

from xraylab.backend import installed_version


def installed(*packages):
    """List those of some packages that are installed, with their versions."""
    versions = {package: installed_version(package) for package in packages}
    return [f"{package} {version}" for package, version in versions.items() if version]


def processor():
    """Return the name of the processor, where Linux states it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    return next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), None)
