# SPDX-License-Identifier: MIT
"""A function of an id and an input whose answers live in an object store: by hand, and with dcache.

Then the store holds garbage, hangs, and is down. A small server of the tests stands in for S3: it
does what it is told to. With a bucket of your own, set DCACHE_S3_BUCKET and what boto3 needs.
"""

import hashlib
import json
import os
import pathlib
import sys

import boto3
from botocore.config import Config
from dcache import dcache
from dcache.backends import S3Backend

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tests" / "support"))
import fault_server

store = fault_server.Server().start()
os.environ |= {
    "DCACHE_S3_BUCKET": "answers",
    "AWS_ENDPOINT_URL": f"http://127.0.0.1:{store.port}",
    "AWS_ACCESS_KEY_ID": "me",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "us-east-1",
}


def think(id, input):
    """Stands for what takes long."""
    print(f"  thinking about {id}")
    return {"id": id, "words": len(input["text"].split()), "tags": input["tags"]}


# --- By hand ---

s3 = boto3.client("s3", config=Config(read_timeout=1, retries={"total_max_attempts": 1}))


def answer_by_hand(id, input):
    """Key, codec, miss and write are the caller's, and so is all that goes wrong."""
    call = json.dumps([id, input], sort_keys=True)
    place = {
        "Bucket": os.environ["DCACHE_S3_BUCKET"],
        "Key": f"answer/{hashlib.sha256(call.encode()).hexdigest()}.json",
    }
    try:
        return json.loads(s3.get_object(**place)["Body"].read())
    except s3.exceptions.NoSuchKey:
        result = think(id, input)
        s3.put_object(**place, Body=json.dumps(result))
        return result


# --- With dcache ---


@dcache(S3Backend(), name="answer")
def answer(id, input):
    """The function, and nothing else."""
    return think(id, input)


# --- And now ---

question = {"text": "to be or not to be", "tags": ["old", "short"]}


def ask_both():
    """What each of them makes of the same question."""
    for way, function in (("by hand", answer_by_hand), ("dcache", answer)):
        try:
            print(f"{way}: {function(7, question)}")
        except Exception as error:
            print(f"{way}: raises {type(error).__name__}")


print("The first time:")
ask_both()
print("The second time:")
ask_both()

print("The store holds garbage:")
store.tell("garbage")
ask_both()
print("It is mended by dcache:")
ask_both()

print("The store hangs:")
for function in (answer_by_hand, answer):
    store.tell("next hang")
    try:
        print(function(7, question)["words"])
    except Exception as error:
        print(f"raises {type(error).__name__}")

print("The store is down:")
store.stop()
ask_both()

# Prints:
# The first time:
#   thinking about 7
# by hand: {'id': 7, 'words': 6, 'tags': ['old', 'short']}
#   thinking about 7
# dcache: {'id': 7, 'words': 6, 'tags': ['old', 'short']}
# The second time:
# by hand: {'id': 7, 'words': 6, 'tags': ['old', 'short']}
# dcache: {'id': 7, 'words': 6, 'tags': ['old', 'short']}
# The store holds garbage:
# by hand: raises JSONDecodeError
#   thinking about 7
# dcache: {'id': 7, 'words': 6, 'tags': ['old', 'short']}
# It is mended by dcache:
# by hand: raises JSONDecodeError
# dcache: {'id': 7, 'words': 6, 'tags': ['old', 'short']}
# The store hangs:
# raises ReadTimeoutError
#   thinking about 7
# 6
# The store is down:
# by hand: raises EndpointConnectionError
#   thinking about 7
# dcache: {'id': 7, 'words': 6, 'tags': ['old', 'short']}
