"""A neighbour who has certainly ended is known as that; of anybody else only the lease tells."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

from gateway.jobs.owner import Neighbours, own_name

HOST = socket.gethostname()


def test_no_two_names_are_the_same() -> None:
    assert own_name() != own_name()
    assert own_name().startswith(f"{HOST}/{os.getpid()}/")


def test_a_process_that_has_ended_is_gone() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert Neighbours(own_name()).is_gone(f"{HOST}/{ended.pid}/abc")


def test_a_process_that_runs_is_not() -> None:
    assert not Neighbours(own_name()).is_gone(f"{HOST}/{os.getppid()}/abc")


def test_an_earlier_process_of_our_own_pid_is_gone_we_are_not() -> None:
    me = own_name()
    assert Neighbours(me).is_gone(f"{HOST}/{os.getpid()}/earlier")
    assert not Neighbours(me).is_gone(me)


def test_of_other_machines_and_odd_names_nothing_is_known() -> None:
    neighbours = Neighbours(own_name())
    assert not any(map(neighbours.is_gone, (f"other-{HOST}/1/abc", "odd", "", f"{HOST}/x/abc", f"{HOST}//abc")))
    assert not neighbours.is_gone(f"{HOST}/{10**30}/abc")
