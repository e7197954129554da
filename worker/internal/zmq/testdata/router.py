"""A ROUTER that sends every message back to where it came from, until its
standard input ends. It prints its port first."""

import sys
import threading

import zmq


def main():
    context = zmq.Context()
    router = context.socket(zmq.ROUTER)
    print(router.bind_to_random_port("tcp://127.0.0.1"), flush=True)
    inbox = zmq.Poller()
    inbox.register(router, zmq.POLLIN)
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    while not ended.is_set():
        if inbox.poll(100):
            identity, *parts = router.recv_multipart()
            if parts == [b"multipart please"]:
                router.send_multipart([identity, b"first", b"second"])
            router.send_multipart([identity, *parts])
    router.close(linger=0)
    context.term()


main()
