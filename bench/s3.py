#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures S3, in C++ and from Python, and writes docs/bench/s3.md.

python3 bench/s3.py [--build DIR] [--rounds N] [--check] [PYTHON]
"""

import json
import os
import pathlib
import sys
import tempfile

from page import measure
from run import ROOT

sys.path.append(str(ROOT / "tests" / "support"))
import radosgw

ABOUT = """\
Ceph's gateway on the loopback of the same machine, so that client and server share its cores. All
of a table take turns, round by round; ratios are medians of the rounds' ratios. In C++: `S3Backend`
through the public engine (an operation is made, submitted and waited for; signed, and checked
against its ETag) beside a blocking libcurl whose connection is kept, which signs nothing: the
bucket lets everybody read. From Python: a call of a function with `S3Backend` alone, arguments to
key and record to value included, beside boto3, which returns the record's bytes. What 64 get done
at a time the gateway bounds; so that is measured on nginx, which serves the same bytes and looks at
no signature: 64 tasks of an event loop, and 64 threads, beside boto3 with 64 threads, which is how
boto3 is asked for many."""

EVERYBODY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": "*",
            "Action": ["s3:GetObject"],
            "Resource": [f"arn:aws:s3:::{radosgw.BUCKET}/*"],
        }
    ],
}


def main():
    """Start the gateway, and measure."""
    cluster = radosgw.Cluster()
    cluster.start()
    try:
        policy = json.dumps(EVERYBODY).encode()
        status, said = cluster.ask("PUT", f"/{radosgw.BUCKET}", "policy=", policy)
        if status // 100 != 2:
            raise RuntimeError(f"the bucket's policy: {status} {said}")
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "ceph.txt"
            lines = (f"{name}={value}\n" for name, value in cluster.described().items())
            file.write_text("".join(lines), encoding="utf-8")
            os.environ["DCACHE_TEST_SERVERS"] = folder
            return measure(
                "s3",
                "What S3 costs besides the wire",
                ABOUT,
                "objects.py",
                lambda args, said: ["--gateway", file],
            )
    finally:
        cluster.stop()


if __name__ == "__main__":
    sys.exit(main())
