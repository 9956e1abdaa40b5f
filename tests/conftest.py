"""What every test shares: one thread for torch, fixed seeds for Hypothesis."""

import os

import matplotlib
from hypothesis import settings

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read before torch loads: small tensors, many of them
matplotlib.use("Agg")

settings.register_profile("fixed", derandomize=True, deadline=None, database=None, report_multiple_bugs=False)
settings.load_profile("fixed")
