"""Signs URLs as CloudFront wants them, with botocore's own signer and openssl's command: a judge of the verifier
that shares no code with it.

JSON lines. Writes first, unasked, the public halves of its keys: {"rsa": PEM, "ec": PEM}. Then answers each request

    {"url", "key": "rsa" | "ec", "hash": "SHA1" | "SHA256", "until": seconds}                              canned policy
    {..., "resource", "from": seconds or null, "address": network or null}                                custom policy

with {"url": the signed URL}.
"""

import json
import subprocess
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path

from botocore.signers import CloudFrontSigner

MAKERS = {
    "rsa": ["openssl", "genrsa", "2048"],
    "ec": ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout"],
}


def openssl(command, text=b""):
    return subprocess.run(command, input=text, capture_output=True, check=True).stdout


def signer(key, digest):
    return lambda text: openssl(["openssl", "dgst", f"-{digest.lower()}", "-sign", key], text)


def time(seconds):
    return datetime.fromtimestamp(seconds, timezone.utc) if seconds is not None else None


def signed(request, keys):
    digest = request["hash"]
    judge = CloudFrontSigner(request["key"], signer(keys[request["key"]], digest))
    until = time(request["until"])
    if "resource" in request:
        policy = judge.build_policy(request["resource"], until, time(request["from"]), request["address"])
        url = judge.generate_presigned_url(request["url"], policy=policy)
    else:
        url = judge.generate_presigned_url(request["url"], date_less_than=until)
    # CloudFront knows SHA-256 since 2026; this signer leaves the parameter to its caller.
    return url if digest == "SHA1" else f"{url}&Hash-Algorithm={digest}"


def say(answer):
    print(json.dumps(answer), flush=True)


with tempfile.TemporaryDirectory() as folder:
    keys = {name: Path(folder) / name for name in MAKERS}
    for name, path in keys.items():
        path.write_bytes(openssl(MAKERS[name]))
    say({name: openssl(["openssl", "pkey", "-in", path, "-pubout"]).decode() for name, path in keys.items()})
    for line in sys.stdin:
        say({"url": signed(json.loads(line), keys)})
