#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A second S3 server for tests, which has neither conditional writes nor tags: OpenStack's Swift.

    swift_server.py start FILE     returns when it answers; FILE then says where, as that of radosgw.py
    swift_server.py stop FILE      ends what FILE names

A proxy, and an account, a container and an object server, on loopback and in a temporary folder. It
checks signatures, by other code than Ceph. Debian's packages are swift-proxy, -account, -container
and -object.
"""

import getpass
import subprocess
import sys

import radosgw

ACCESS_KEY, SECRET_KEY, BUCKET = "tests:tests", "tests-secret-key", "tests"
PYTHON = "/usr/bin/python3"  # Debian's, which has its packages.

# It insists on a file in /etc, unless it is told otherwise from within.
RUN = """
import sys
import swift.common.utils as utils
utils.SWIFT_CONF_FILE = sys.argv[1]
from swift.common.wsgi import run_wsgi
sys.exit(run_wsgi(sys.argv[2], sys.argv[3]))
"""
# One device for each kind of server, by its port.
RINGS = """
import sys
from swift.common.ring import RingBuilder
for kind, port in zip(("account", "container", "object"), map(int, sys.argv[2:])):
    builder = RingBuilder(1, 1, 1)
    device = {"region": 1, "zone": 1, "ip": "127.0.0.1", "port": port, "device": "sda", "weight": 1}
    builder.add_dev(device)
    builder.rebalance()
    builder.get_ring().save(f"{sys.argv[1]}/{kind}.ring.gz")
"""
COMMON = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
swift_dir = {folder}
devices = {folder}/srv
mount_check = false
workers = 0
user = {user}
log_address = {folder}/no-log
# Patient: half a second to connect is too little on a busy machine, and who was late ten times would
# not be asked for a minute.
conn_timeout = 20
node_timeout = 30
error_suppression_interval = 0
"""
STORE = """
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
"""
PROXY = """
[pipeline:main]
pipeline = catch_errors cache s3api tempauth proxy-server
[filter:catch_errors]
use = egg:swift#catch_errors
# It is asked for, and need not answer.
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:1
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
[filter:tempauth]
use = egg:swift#tempauth
user_tests_tests = {secret} .admin
[app:proxy-server]
use = egg:swift#proxy
allow_account_management = true
account_autocreate = true
"""


class Swift(radosgw.Servers):
    """Runs from `start` on."""

    access_key, secret_key, bucket = ACCESS_KEY, SECRET_KEY, BUCKET

    def __init__(self):
        super().__init__("dcache-swift-")
        (self.folder / "srv" / "sda").mkdir(parents=True)
        (self.folder / "swift.conf").write_text(
            "[swift-hash]\nswift_hash_path_suffix = tests\nswift_hash_path_prefix = tests\n"
            "[storage-policy:0]\nname = plain\ndefault = yes\n"
        )

    def _start(self):
        kinds = ("account", "container", "object")
        *ports, self.port = radosgw.free_ports(len(kinds) + 1)
        subprocess.run(
            [PYTHON, "-I", "-c", RINGS, self.folder, *map(str, ports)], check=True, timeout=60
        )
        for kind, port in zip(kinds, ports, strict=True):
            self._serve(kind, port, STORE.format(kind=kind))
        self._serve("proxy", self.port, PROXY.format(secret=SECRET_KEY))
        self.wait_for(self.has_bucket, "a bucket")

    def _serve(self, kind, port, text):
        conf = self.folder / f"{kind}.conf"
        common = COMMON.format(port=port, folder=self.folder, user=getpass.getuser())
        conf.write_text(common + text)
        self.serve(PYTHON, "-I", "-c", RUN, self.folder / "swift.conf", conf, f"{kind}-server")


if __name__ == "__main__":
    radosgw.main(Swift, *sys.argv[1:])
