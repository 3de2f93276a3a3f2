"""Writes EdgeAuth tokens with the vendor's library: one JSON object per line in, one token per line out, as JSON.

The first line out says that the library is there.
"""

import json
import sys

from akamai.edgeauth import EdgeAuth

print(json.dumps("ready"), flush=True)
for line in sys.stdin:
    wanted = json.loads(line)
    made = EdgeAuth(
        key=wanted["key"],
        algorithm=wanted["algorithm"],
        salt=wanted["salt"],
        escape_early=wanted["escape_early"],
        ip=wanted["ip"],
        session_id=wanted["id"],
        payload=wanted["data"],
        start_time=wanted["st"],
        end_time=wanted["exp"],
    )
    if wanted["acl"] is None:
        token = made.generate_url_token(wanted["url"])
    else:
        token = made.generate_acl_token(wanted["acl"])
    print(json.dumps(token), flush=True)
