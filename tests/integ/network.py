"""A network between the program and a server, on loopback: slow, or one that breaks."""
import socket
import struct
import threading
import time


class Network:
    """A proxy on the level of TCP.

    delay: seconds that each request takes longer.  rate: bytes a second each way of each
    connection, 0: any.  cut_up, cut_down: reset the connection that carries the last byte of each
    so many, counted over all connections.  starve: a word; the answer to a request whose first line
    has it ends with its header if that is a GET, and is lost if not.
    """

    def __init__(self, target, cut_up=0, cut_down=0, delay=0.0, starve=None, rate=0):
        self.target, self.delay, self.starve, self.rate = target, delay, starve, rate
        self.every = {"up": cut_up, "down": cut_down}
        self.lock = threading.Lock()
        self.bytes = {"up": 0, "down": 0}
        self.cuts = self.connections = self.starved = 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.endpoint = "http://127.0.0.1:%d" % self.listener.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.connections += 1
            Connection(self, client, socket.create_connection(self.target))

    def is_cut(self, way, count):
        """Do these bytes make up a whole number of `every`?"""
        with self.lock:
            before, self.bytes[way] = self.bytes[way], self.bytes[way] + count
            every = self.every[way]
            is_cut = every > 0 and self.bytes[way] // every > before // every
            self.cuts += is_cut
            return is_cut

    def count_starved(self):
        with self.lock:
            self.starved += 1


class Connection:
    def __init__(self, network, client, server):
        self.network, self.ends = network, (client, server)
        self.is_starved = self.is_get = False
        self.pump_count = 2
        self.is_answered = True  # what goes up next is a new request
        for way in ("up", "down"):
            threading.Thread(target=self.pump, args=(way,), daemon=True).start()

    def pump(self, way):
        source, sink = self.ends if way == "up" else self.ends[::-1]
        try:
            while data := source.recv(65536):
                if way == "up":
                    self.look(data)
                elif b" 100 " not in data[:16]:
                    self.is_answered = True
                if self.network.is_cut(way, len(data)):
                    self.reset()
                    return
                if way == "down" and self.is_starved and b" 100 " not in data[:16]:
                    if self.is_get:
                        sink.sendall(data[:data.find(b"\r\n\r\n") + 4])
                        time.sleep(0.01)  # so that it is read before the reset is
                    self.network.count_starved()
                    self.reset()
                    return
                sink.sendall(data)
                if self.network.rate > 0:
                    time.sleep(len(data) / self.network.rate)
        except OSError:
            pass
        finally:
            self.leave()

    def leave(self):
        for end in self.ends:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        with self.network.lock:
            self.pump_count -= 1
        if self.pump_count == 0:
            for end in self.ends:
                end.close()

    def look(self, data):
        if not self.is_answered:
            return
        self.is_answered = False
        line = data.partition(b"\r\n")[0]
        word = self.network.starve
        self.is_get = line.startswith(b"GET ")
        self.is_starved = word is not None and word.encode() in line
        if self.network.delay > 0:
            time.sleep(self.network.delay)

    def reset(self):
        """With RST.  A thread that waits for bytes keeps a socket open: it is woken first."""
        for end in self.ends:
            try:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.shutdown(socket.SHUT_RD)
                end.close()
            except OSError:
                pass
