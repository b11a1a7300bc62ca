"""A stand-in for a model: the gauge `model_result`, a value in [0, 1] that changes every few seconds.

It lets people try dashboards and alerts with no model at all. `--mode high` stays above 0.9 for a while, which fires
the alert ModelResultHigh, and then goes on as normal; `--mode wave` comes above 0.9 once in every period.
"""

import argparse
import math
import os
import random
import signal
import threading
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Gauge, start_http_server

MODES = ("normal", "high", "wave")


def values(mode: str, seed: int, every_seconds: float, high_seconds: float, period_seconds: float) -> Iterator[float]:
    """The values one after the other, without end; the same arguments give the same ones.

    Args:
        mode: "normal" wanders between 0.1 and 0.8; "high" starts in [0.91, 1]; "wave" is a sine with a little noise.
        seed: of the noise.
        every_seconds: time from one value to the next.
        high_seconds: how long "high" stays above 0.9.
        period_seconds: of the wave; a fifth of it lies above 0.9.

    Yields:
        Numbers in [0, 1].
    """
    noise = random.Random(seed)
    level, elapsed = 0.4, 0.0
    while True:
        if mode == "high" and elapsed < high_seconds:
            yield noise.uniform(0.91, 1.0)
        elif mode == "wave":
            wave = 0.5 + 0.5 * math.sin(2 * math.pi * elapsed / period_seconds)
            yield min(1.0, max(0.0, wave + noise.uniform(-0.01, 0.01)))
        else:
            level = min(0.8, max(0.1, level + noise.gauss(0, 0.05)))
            yield level
        elapsed += every_seconds


def serve(arguments: argparse.Namespace) -> None:
    """Expose the gauge until SIGTERM or Ctrl-C."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    registry = CollectorRegistry()
    gauge = Gauge("model_result", "Result of the mock model, in [0, 1].", registry=registry)
    stream = values(
        arguments.mode, arguments.seed, arguments.every_seconds, arguments.high_seconds, arguments.period_seconds
    )
    gauge.set(next(stream))
    server, thread = start_http_server(arguments.port, addr=arguments.host, registry=registry)
    print(f"model_result ({arguments.mode}) on http://{arguments.host}:{server.server_port}/metrics", flush=True)
    while not ended.wait(arguments.every_seconds):
        gauge.set(next(stream))
    server.shutdown()
    server.server_close()
    thread.join()


def _arguments() -> argparse.Namespace:
    """From the command line, else from MODELMOCK_* in the environment."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5001, help="0 takes a free one")
    # Defaults that are text are checked like what is typed.
    parser.add_argument("--mode", choices=MODES, default=os.environ.get("MODELMOCK_MODE", "normal"))
    parser.add_argument("--seed", type=int, default=os.environ.get("MODELMOCK_SEED", "0"))
    for name, default in (("every", "5"), ("high", "120"), ("period", "300")):
        variable = f"MODELMOCK_{name.upper()}_SECONDS"
        parser.add_argument(f"--{name}-seconds", type=_seconds, default=os.environ.get(variable, default))
    arguments = parser.parse_args()
    if arguments.mode not in MODES:  # argparse takes a default as it is
        parser.error(f"MODELMOCK_MODE is {arguments.mode!r}; allowed: {', '.join(MODES)}")
    return arguments


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < math.inf:
        raise ValueError(text)
    return value


if __name__ == "__main__":
    serve(_arguments())
