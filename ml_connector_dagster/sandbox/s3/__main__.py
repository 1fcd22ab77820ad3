"""The stand-in in a process of its own: ``python -m ml_connector_dagster.sandbox.s3``. It says what to set, and serves until it is ended."""

import argparse
import signal
import sys
import threading

from ml_connector_dagster.sandbox.s3 import S3Options, S3Sandbox


def main() -> None:
    """Serve one bucket, ``staging``."""
    parser = argparse.ArgumentParser(prog="python -m ml_connector_dagster.sandbox.s3")
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    port = parser.parse_args().port
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    options = S3Options()
    with S3Sandbox.start(options, port=port) as s3:
        place = f"s3://staging/ml-connector?region={options.region}&endpoint={s3.url}"
        sys.stdout.write(
            f"export AWS_ACCESS_KEY_ID='{options.access_key_id}'\n"
            f"export AWS_SECRET_ACCESS_KEY='{options.secret_access_key}'\n"
            f"export ML_CONNECTOR_STAGING_URL='{place}'\n"
        )
        sys.stdout.flush()
        ended.wait()


if __name__ == "__main__":
    main()
