"""hold.py PORT BACKEND FOLDER: passes each request on to the registry at BACKEND. FOLDER/log has a line for each that was answered:
METHOD PATH STATUS. The file FOLDER/hold, "N HOW", says that the Nth request from then on waits as long as the file is there. HOW:
"lost" (the registry never sees it), "done" (it has been done, and the answer waits) or "late" (it is passed on then). FOLDER/held is
there while one waits, and says which."""
import os
import sys
import threading
import time

import passing

PORT, BACKEND, FOLDER = int(sys.argv[1]), sys.argv[2], sys.argv[3]
HOLD, HELD = FOLDER + "/hold", FOLDER + "/held"
lock = threading.Lock()
counted = [None, 0]    # which FOLDER/hold it was, and the requests since


def how_to_hold():
    """What becomes of this request; "": nothing."""
    try:
        with open(HOLD) as hold:
            number, how = hold.read().split()
            which = os.fstat(hold.fileno()).st_mtime_ns
    except FileNotFoundError:
        return ""
    with lock:
        if counted[0] != which:
            counted[:] = which, 0
        counted[1] += 1
        return how if counted[1] == int(number) else ""


class Handler(passing.Handler):
    def wait(self):
        with open(HELD + ".new", "w") as held:
            held.write(f"{self.command} {self.path}\n")
        os.rename(HELD + ".new", HELD)
        while os.path.exists(HOLD):
            time.sleep(0.01)
        os.remove(HELD)

    def pass_on(self):
        how = how_to_hold()
        body = self.body()
        if how in ("lost", "late"):
            self.wait()
        if how == "lost":
            self.close_connection = True
            return
        answer, content = self.ask(BACKEND, self.path, body)
        with lock, open(FOLDER + "/log", "a") as log:
            log.write(f"{self.command} {self.path} {answer.status}\n")
        if how == "done":
            self.wait()
        self.give(answer, content)


passing.serve(PORT, Handler)
