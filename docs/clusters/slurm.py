"""A study on SLURM: python slurm.py PAIRS --output STUDY …, on a login node; options are those of `regexplain cohort`.

Needs `pip install dask-jobqueue` beside RegExplain, and folders that all nodes see. Change the figures to your site's.
"""

import subprocess
import sys

import dask
from dask_jobqueue import SLURMCluster

if __name__ == "__main__":
    dask.config.set({"distributed.scheduler.allowed-failures": 1, "distributed.scheduler.worker-saturation": 1.0})
    cluster = SLURMCluster(
        cores=1,  # one pair at a time in each job, on one thread
        processes=1,
        memory="4GB",  # of a pair: `regexplain cohort … --dry-run` says how much
        walltime="04:00:00",
        # queue="…", account="…", interface="ib0",
        # GPU jobs: job_extra_directives=["--gres=gpu:1"]
    )
    cluster.adapt(minimum_jobs=1, maximum_jobs=100)  # as many jobs as there are pairs waiting
    command = [sys.executable, "-m", "regexplain", "cohort", *sys.argv[1:], "--scheduler", cluster.scheduler_address]
    sys.exit(subprocess.call(command))
