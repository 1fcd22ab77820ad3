"""``python -m ml_connector_dagster_tests.chaos --minutes 20 --seed 1``: exit code 1 when anything is lost or doubled."""

import argparse
import shutil
import sys
from pathlib import Path

from rich.console import Console

from ml_connector_dagster_tests.chaos.campaign import campaign
from ml_connector_dagster_tests.chaos.installation import (
    can_use_postgres,
    installation,
    new_folder,
)
from ml_connector_dagster_tests.chaos.outside import SYSTEMS
from ml_connector_dagster_tests.chaos.report import show


def main() -> int:
    """Run, print, and answer the exit code."""
    given = _arguments()
    console = Console(width=120, highlight=False)
    folder = new_folder(given.folder)
    on_postgres = given.database == "postgresql"

    def say(text: str) -> None:
        console.print(text, markup=False)

    say(
        f"seed {given.seed}, {given.minutes:g} minutes, {given.database}, staging on {given.staging}, logs in {folder}"
    )
    with installation(
        folder,
        given.systems,
        seed=given.seed,
        on_postgres=on_postgres,
        on_bucket=given.staging == "bucket",
        say=say,
    ) as site:
        if not site.small_disk:
            say("No small file system could be mounted (this needs root): the disk is not filled.")
        verdict = campaign(site, seconds=given.minutes * 60, seed=given.seed, say=say)
        show(verdict, console)
        if not verdict.good:
            kept = Path(f"{folder}.home")
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(site.home, kept, ignore_dangling_symlinks=True)
            say(f"what it left behind: {kept}, logs in {folder}")
    if verdict.good and given.folder is None:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if verdict.good else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20, help="how long to harm (20)")
    parser.add_argument("--seed", type=int, default=1, help="of what is done, to whom and when (1)")
    parser.add_argument(
        "--systems",
        type=lambda text: text.split(","),
        default=list(SYSTEMS),
        help=f"destinations, of {','.join(SYSTEMS)} (all)",
    )
    parser.add_argument(
        "--database",
        choices=("postgresql", "sqlite"),
        default="postgresql" if can_use_postgres() else "sqlite",
        help="of the ledger and of Dagster; postgresql where it is installed",
    )
    parser.add_argument(
        "--staging",
        choices=("disk", "bucket"),
        default="disk",
        help="bucket: on a stand-in of S3, which is harmed like every service (disk)",
    )
    parser.add_argument("--folder", type=Path, help="keep everything here; emptied first")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
