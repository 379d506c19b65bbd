"""The command line of a service: ``--help``, ``--version``, ``--check``, or run."""

from __future__ import annotations

import argparse
import os
import sys
import textwrap
from collections.abc import Sequence
from typing import Any

from . import runtime, workers
from .auth import build_authenticator
from .logs import configure_logging
from .process import WORKER_VARIABLE, StartError
from .service import Service
from .settings import EXIT_CONFIG, SettingsError, describe_settings, load_settings, masked

EXIT_FAILURE = 1


def main(service: Service[Any, Any], arguments: Sequence[str]) -> int:
    """Run a service as its program; returns the exit status."""
    options = _parser(service).parse_args(arguments)
    try:
        settings = load_settings(service.settings_class)
        build_authenticator(settings, service.name)
        if options.check:
            for name, value in masked(settings).items():
                print(f"{name}={value}")  # noqa: T201
            return 0
        if settings.workers > 1 and WORKER_VARIABLE not in os.environ:
            return workers.supervise(service.name, settings)
        configure_logging(service.name, level=settings.log_level, format=settings.log_format)
        return runtime.run(service, settings)
    except SettingsError as error:
        for line in error.lines:
            _complain(service, line)
        return EXIT_CONFIG
    except StartError as error:
        _complain(service, str(error))
        return EXIT_FAILURE


def _complain(service: Service[Any, Any], line: str) -> None:
    sys.stderr.write(f"{service.name}: {line}\n")


def _parser(service: Service[Any, Any]) -> argparse.ArgumentParser:
    rows = []
    for name, default, description in describe_settings(service.settings_class):
        rows.append(f"  {name}{f'={default}' if default else ''}")
        rows.append(textwrap.fill(description, 92, initial_indent=" " * 6, subsequent_indent=" " * 6))
    parser = argparse.ArgumentParser(
        prog=f"python -m {(service.package or service.name).replace('-', '_')}",
        description=service.description or f"Run {service.name}.",
        epilog="settings, from the environment (each X also as X_FILE, a file that holds it):\n"
        + "\n".join(rows),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"{service.name} {service.version}")
    parser.add_argument("--check", action="store_true", help="check the settings, show them and exit")
    return parser
