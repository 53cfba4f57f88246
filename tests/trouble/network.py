"""Two network namespaces and the wire between them, which loses, delays or swallows packets.

The near namespace has 10.77.0.1, the far one 10.77.0.2, each on a TUN device. What is sent on
one device comes out of this program, and goes into the other device if and when it should.

It prints `ready NEAR FAR`: its descriptors of the two namespaces, to be entered by way of
/proc. Or it prints `skip: REASON`. Then each line on stdin, `LOSS DELAY PORT`, says what the
wire does from now on: how many percent of the packets it loses, how many milliseconds it takes
in each direction, and the port whose packets all vanish (0: none). It is answered with the
number of packets lost and of those passed on before. The end of stdin ends all of it: nothing
has a name, so that nothing can be left.
"""

import ctypes
import fcntl
import heapq
import itertools
import os
import random
import select
import socket
import struct
import subprocess
import sys
import time

NEAR, FAR = "10.77.0.1", "10.77.0.2"

CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000


class Impossible(Exception):
    """This machine does not let us."""


def new_namespace():
    """Moves this process into a new network namespace; returns a descriptor of it."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        raise Impossible(f"no network namespace: {os.strerror(ctypes.get_errno())}")
    return os.open("/proc/self/ns/net", os.O_RDONLY)


def new_device(own, other):
    """Makes a TUN device in the present namespace, by which one address reaches the other."""
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", b"wire", IFF_TUN | IFF_NO_PI))
    for words in (
        "link set lo up",
        f"address add {own} peer {other} dev wire",
        "link set wire up",
    ):
        subprocess.run(["ip", *words.split()], check=True)
    return device


def build():
    """Both namespaces and devices."""
    try:
        near_space = new_namespace()
        near = new_device(NEAR, FAR)
        far_space = new_namespace()
        far = new_device(FAR, NEAR)
        # The servers listen on 127.0.0.1, which the kernel otherwise keeps off every wire.
        with open("/proc/sys/net/ipv4/conf/wire/route_localnet", "w") as setting:
            setting.write("1")
    except (OSError, subprocess.CalledProcessError) as error:
        raise Impossible(f"no TUN device between namespaces: {error}") from error
    return near_space, near, far_space, far


def replaced(packet, at, address):
    """The packet with another address at this place, and with the checksums that follow."""
    packet, address = bytearray(packet), socket.inet_aton(address)
    old, new = struct.unpack_from("!HH", packet, at), struct.unpack("!HH", address)
    packet[at : at + 4] = address
    # That of the IP head, and that of TCP, which covers the addresses as well (RFC 1624).
    for place in (10, 4 * (packet[0] & 15) + 16):
        (checksum,) = struct.unpack_from("!H", packet, place)
        total = (checksum ^ 0xFFFF) + sum(new) + sum(word ^ 0xFFFF for word in old)
        while total >> 16:
            total = (total & 0xFFFF) + (total >> 16)
        struct.pack_into("!H", packet, place, total ^ 0xFFFF)
    return bytes(packet)


def is_tcp(packet):
    return packet[0] >> 4 == 4 and packet[9] == socket.IPPROTO_TCP


def ports(packet):
    return struct.unpack_from("!HH", packet, 4 * (packet[0] & 15))


class Wire:
    def __init__(self, near, far):
        self.near, self.far = near, far
        self.loss, self.delay, self.port = 0, 0.0, 0
        self.lost, self.passed = 0, 0
        self.on_the_way, self.numbers = [], itertools.count()
        self.chance = random.Random(1)

    def set(self, line):
        """Does what a line says; returns what was counted so far."""
        counted = f"{self.lost} {self.passed}"
        loss, delay, port = (int(word) for word in line.split())
        self.loss, self.delay, self.port = loss, delay / 1000, port
        self.lost, self.passed = 0, 0
        return counted

    def take(self, device):
        """Takes what was sent on this device."""
        while True:
            try:
                packet = os.read(device, 65536)
            except BlockingIOError:
                return
            if not is_tcp(packet):
                continue
            if self.port in ports(packet) or self.chance.random() * 100 < self.loss:
                self.lost += 1
                continue
            self.passed += 1
            if device == self.near:
                other, packet = self.far, replaced(packet, 16, "127.0.0.1")
            else:
                other, packet = self.near, replaced(packet, 12, FAR)
            # The number keeps packets in order that came at the same time.
            place = (time.monotonic() + self.delay, next(self.numbers))
            heapq.heappush(self.on_the_way, (*place, other, packet))

    def deliver(self):
        """Delivers what is due; returns how long there is until the next, if any."""
        while self.on_the_way:
            left = self.on_the_way[0][0] - time.monotonic()
            if left > 0:
                return left
            *_, device, packet = heapq.heappop(self.on_the_way)
            os.write(device, packet)
        return None

    def run(self):
        while True:
            ready, _, _ = select.select([0, self.near, self.far], [], [], self.deliver())
            for device in ready:
                if device != 0:
                    self.take(device)
                elif line := sys.stdin.readline():
                    print(self.set(line), flush=True)
                else:
                    return


def main():
    try:
        near_space, near, far_space, far = build()
    except Impossible as reason:
        print(f"skip: {reason}", flush=True)
        return
    print(f"ready {near_space} {far_space}", flush=True)
    Wire(near, far).run()


main()
