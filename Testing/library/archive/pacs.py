"""A PACS for tests, a program of its own: takes SEG and SR, keeps them, behaves badly where told to.

python -m Testing.library.archive.pacs FOLDER PORT '{"refuse": 2, "status": 42752, "drop": 3}'
"""

import json
import os
import sys
import time
from pathlib import Path

from pynetdicom import AE, _config, evt

from Testing.library.archive.archive_kit import PACS, SEG_CLASS, SR_CLASS

_config.LOG_HANDLER_LEVEL = "none"


def main() -> None:
    folder, port, behaviour = Path(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])
    refuse, drop = behaviour.get("refuse", 0), behaviour.get("drop", 0)
    seen = 0

    def stored(event):
        nonlocal seen, refuse
        seen += 1
        if refuse > 0:
            refuse -= 1
            return behaviour["status"]
        uid = str(event.request.AffectedSOPInstanceUID)
        part = folder / f".{uid}"
        part.write_bytes(event.encoded_dataset())
        part.replace(folder / f"{uid}.dcm")
        with (folder / "log.jsonl").open("a") as log:
            log.write(json.dumps({"uid": uid, "caller": event.assoc.requestor.ae_title}) + "\n")
        if seen == drop:  # it has the object, and its answer is never heard
            os._exit(1)
        time.sleep(behaviour.get("slow_s", 0))
        return 0x0000

    entity = AE(PACS)
    entity.require_called_aet = True
    for each in behaviour.get("classes", [SEG_CLASS, SR_CLASS, "1.2.840.10008.1.1"]):
        entity.add_supported_context(each)
    entity.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, stored)])
    print("ready", flush=True)
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main()
