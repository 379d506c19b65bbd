"""``python -m devstack.weather --port N``: the simulated weather upstream as a program."""

from __future__ import annotations

import argparse
import signal

from devstack.weather.upstream import WeatherUpstream


def main() -> int:
    """Serve until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(
        prog="python -m devstack.weather",
        description="A server with Open-Meteo's formats and simulated weather, on the loopback interface.",
    )
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 for any free one (default)")
    arguments = parser.parse_args()
    ends = {signal.SIGINT, signal.SIGTERM}
    # Blocked before the thread starts, so that it inherits the mask and the signals wait for sigwait().
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    try:
        upstream = WeatherUpstream(arguments.port)
    except OSError as error:
        parser.exit(1, f"cannot listen on port {arguments.port}: {error.strerror}\n")
    with upstream:
        print(f"simulated weather on {upstream.url}", flush=True)
        signal.sigwait(ends)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
