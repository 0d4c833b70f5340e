"""A program that is measured turn by turn (internal/turn/doc.go)."""
import sys
import threading
import time


def serve(op, timed=False):
    """Answers turns until the input ends. op returns its own nanoseconds if timed."""
    for line in sys.stdin:
        callers, milliseconds = map(int, line.split())
        each = []
        begin = time.monotonic_ns()
        until = begin + milliseconds * 1000000

        def play():
            mine = []
            while True:
                start = time.monotonic_ns()
                took = op()
                end = time.monotonic_ns()
                mine.append(took if timed else end - start)
                if end >= until:
                    break
            each.extend(mine)

        if callers == 1:
            play()
        else:
            threads = [threading.Thread(target=play) for _ in range(callers)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
        print(time.monotonic_ns() - begin, *each, flush=True)
