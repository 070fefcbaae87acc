"""The first request stops between two steps, a second Ctrl-C at once, and the former handlers come back."""

import os
import signal
import threading

import pytest

from hierattn.training.stop_signal import stop_requested


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_a_request_and_the_former_handler_comes_back(number):
    former, said = signal.getsignal(number), []
    with stop_requested(said.append) as stop:
        assert not stop.is_set()
        os.kill(os.getpid(), number)
        assert stop.is_set()
    assert len(said) == 1
    assert signal.getsignal(number) is former


def test_a_second_interrupt_stops_at_once():
    with stop_requested(lambda text: None):
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_another_thread_gets_an_event_and_no_handler():
    former, events = signal.getsignal(signal.SIGINT), []

    def work():
        with stop_requested(lambda text: None) as stop:
            events.append((stop.is_set(), signal.getsignal(signal.SIGINT) is former))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert events == [(False, True)]
