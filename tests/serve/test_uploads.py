"""A request's photographs: each bound in bytes, parts and time has its refusal, and what is no photograph too.

A form is answered whole or refused: every file that was sent has its answer, and no prefix of a form has any.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("fastapi")

from services import assert_problem, post, send, served, service, stream

from hierattn.serve.uploads import _content, _split


def test_body_that_announces_too_much_is_refused_before_it_is_read(bundle):
    with service(bundle, max_body=1000) as app:
        assert_problem(post(app, bytes(2000)), 413, "too_large")


def test_body_that_announces_nothing_is_counted_as_it_streams(bundle):
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield b'--x\r\nContent-Disposition: form-data; name="images"; filename="a"\r\n\r\n'
        for _ in range(100):
            sent += 1000
            yield bytes(1000)

    with service(bundle, max_body=10_000) as app:
        assert_problem(stream(app, endless()), 413, "too_large")
    assert sent > 10_000


def test_slow_body_is_given_up(bundle):
    async def dripping() -> AsyncIterator[bytes]:
        for _ in range(20):
            await asyncio.sleep(0.05)
            yield b"-"

    with service(bundle, receive_seconds=0.1) as app:
        assert_problem(stream(app, dripping()), 408, "slow")


def test_too_many_photographs_are_refused(bundle, photos):
    with service(bundle, max_images=2) as app:
        assert_problem(post(app, *photos), 413, "too_many")


def test_other_content_types_are_refused(bundle, photos):
    with service(bundle) as app:
        assert_problem(send(app, "POST", "/v1/predictions", content=photos[0]), 415, "media_type")
        assert_problem(send(app, "POST", "/v1/predictions", json={}), 415, "media_type")


@pytest.mark.parametrize(
    "content", [b"%PDF-1.7 and so on", b"\0\0\0\x18ftypheic\0\0\0\0", b"<svg/>"], ids=["pdf", "heic", "svg"]
)
def test_other_file_formats_are_refused(bundle, photos, content):
    with service(bundle) as app:
        assert assert_problem(post(app, photos[0], content), 415, "media_type")["image"] == 1


def test_forms_without_photographs_are_refused(bundle):
    with service(bundle) as app:
        assert_problem(send(app, "POST", "/v1/predictions", files={"other": b"x"}), 422, "form")
        assert_problem(
            send(app, "POST", "/v1/predictions", data={"images": "x"}, files={"images": b"\xff"}), 422, "form"
        )
        headers = {"content-type": "multipart/form-data; boundary=x"}
        assert_problem(send(app, "POST", "/v1/predictions", content=b"nonsense", headers=headers), 422, "form")
        headers = {"content-type": "multipart/form-data"}
        assert_problem(send(app, "POST", "/v1/predictions", content=b"nonsense", headers=headers), 422, "form")


HEADERS = b'Content-Disposition: form-data; name="images"; filename="a.png"\r\nContent-Type: image/png\r\n'


def form(*parts: bytes, boundary: bytes = b"x", end: bytes = b"--x--\r\n") -> bytes:
    """A form as clients write it; each part with its headers, a blank line and its content."""
    return b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts) + end


def file(content: bytes, headers: bytes = HEADERS) -> bytes:
    return headers + b"\r\n" + content


def ask(app: Any, body: bytes, kind: str = "multipart/form-data; boundary=x", **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return send(app, "POST", "/v1/predictions", content=body, headers={"content-type": kind, **named})


@pytest.fixture(scope="module")
def app(bundle: Path) -> Iterator[Any]:
    with service(bundle, max_images=3) as app:
        yield app


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        (HEADERS, "multipart/form-data; boundary=x"),
        (HEADERS, 'Multipart/Form-Data; charset=utf-8; boundary="x"'),
        (HEADERS.replace(b"a.png", b"\xe6\xff\x00.png"), "multipart/form-data; boundary=x"),
        (HEADERS.replace(b'"a.png"', b'""'), "multipart/form-data; boundary=x"),
        (HEADERS.replace(b"filename=", b"filename*=utf-8''%e4%b8"), "multipart/form-data; boundary=x"),
        (b"A: b\r\nCONTENT-DISPOSITION:form-data;filename=a;name=images\r\n", "multipart/form-data;boundary=x"),
        (HEADERS + b"Content-Transfer-Encoding: 8bit\r\nA: " + b"y" * 4000 + b"\r\n", "multipart/form-data;boundary=x"),
    ],
    ids=["plain", "quoted", "not-utf8", "no-name", "rfc-5987", "other-order", "long-headers"],
)  # fmt: skip
def test_every_file_of_a_whole_form_is_answered_however_it_is_written(app, photos, headers, kind):
    for parts in (photos[:1], photos, [photos[0], photos[0]]):
        answer = ask(app, form(*(file(photo, headers) for photo in parts)), kind)
        assert answer.status_code == 200, answer.text
        assert len(answer.json()["predictions"]) == len(parts)


def test_blank_lines_around_a_form_and_padding_after_a_boundary_are_no_parts(app, photos):
    body = b"\r\n" + form(file(photos[0]), file(photos[1])).replace(b"--x\r\n", b"--x \t\r\n") + b"\r\n \r\n"
    assert len(ask(app, body).json()["predictions"]) == 2


def broken_forms(one: bytes, two: bytes) -> dict[str, tuple[bytes, str]]:
    """Name -> (a body with two files that is not whole, what is said of it)."""
    first, second = file(one), file(two)
    whole = form(first, second)
    mixed = b"Content-Type: multipart/mixed; boundary=y\r\n" + HEADERS.split(b"\r\n")[0] + b"\r\n"
    inner = b"--y\r\nContent-Disposition: form-data; name=images; filename=b\r\n\r\n" + two + b"\r\n--y--"
    return {
        "no closing boundary": (form(first, second, end=b""), "breaks off in part 1"),
        "closing boundary cut": (form(first, second, end=b"--x"), "breaks off in part 2"),
        "half a closing boundary": (form(first, second, end=b"--x-"), "breaks off in part 2"),
        "second part cut in its headers": (form(first, end=b"--x\r\n" + HEADERS[:30]), "breaks off in part 1"),
        "second part cut in its file": (form(first, end=b"--x\r\n" + second[:200]), "breaks off in part 1"),
        "second part lacks its boundary": (form(first + b"\r\n" + second), "part 0 runs on into another"),
        "second part lacks it and its line break": (form(first + second), "part 0 runs on into another"),
        "second part has another boundary": (form(first + b"\r\n--y\r\n" + second), "part 0 runs on into another"),
        "nested form": (form(first, mixed + b"\r\n" + inner), "part 1 runs on into another"),
        "second form behind the first": (form(first) + form(second), "more follows the closing boundary"),
        "text behind the form": (whole + b"and more", "more follows the closing boundary"),
        "text before the form": (b"see below\r\n" + whole, "does not begin with the boundary"),
        "line feeds alone": (whole.replace(b"\r\n", b"\n"), "breaks off in part 0"),
        "other boundary": (form(first, second, boundary=b"y"), "does not begin with the boundary"),
        "boundary without dashes": (whole.replace(b"--x", b"x"), "does not begin with the boundary"),
        "boundary with a tail": (whole.replace(b"--x\r\n", b"--xy\r\n"), "part 0 begins without the headers"),
        "no blank line after the headers": (form(first, HEADERS + two), "part 1 begins without the headers"),
        "no headers": (form(first, b"\r\n" + two), "part 1 begins without the headers"),
        "headers without end": (form(first, b"X-More: " + b"y" * 20_000 + b"\r\n" + second), "part 1 begins without"),
        "no name": (form(first, file(two, b"Content-Disposition: form-data; filename=a\r\n")), "part 1 is no file"),
        "no file name": (form(first, file(two, b"Content-Disposition: form-data; name=images\r\n")), "part 1 is no"),
        "other name": (form(first, file(two, HEADERS.replace(b"images", b"image"))), "part 1 is no file"),
        "attachment": (form(first, file(two, HEADERS.replace(b"form-data", b"attachment"))), "part 1 begins without"),
        "base64": (form(first, file(two, b"Content-Transfer-Encoding: base64\r\n" + HEADERS)), "part 1 is encoded"),
        "no part": (b"--x--\r\n", "no photograph came"),
        "nothing": (b"", "does not begin with the boundary"),
    }  # fmt: skip


@pytest.mark.parametrize("name", broken_forms(b"", b""))
def test_form_that_is_not_whole_is_refused_whole(app, photos, name):
    body, said = broken_forms(photos[0], photos[1])[name]
    assert said in assert_problem(ask(app, body), 422, "form")["detail"]


def test_empty_file_among_others_is_named(app, photos):
    assert assert_problem(ask(app, form(file(photos[0]), file(b""))), 422, "image")["image"] == 1


@pytest.mark.parametrize("kind", [f"multipart/form-data{end}" for end in ("", "; boundary=", '; boundary=""', "; x=y")])
def test_content_type_without_boundary_is_refused(app, photos, kind):
    assert "boundary" in assert_problem(ask(app, form(file(photos[0])), kind), 422, "form")["detail"]


@pytest.mark.parametrize(
    "option",
    [b"name*=a; name*0=b", b"name*" + b"9" * 5000 + b"=x", b'name="images"; filename*=a; filename*0=b'],
    ids=["two names", "a long number", "two files"],
)
def test_headers_that_contradict_themselves_are_refused_in_one_line(app, photos, option):
    part = b"Content-Disposition: form-data; " + option + b"\r\n\r\n" + photos[0]
    refused = send(
        app, "POST", "/v1/predictions", content=form(part), headers={"content-type": "multipart/form-data; boundary=x"}
    )
    assert_problem(refused, 422, "form")
    kind = "multipart/form-data; boundary*=x; boundary*0=y"
    refused = send(app, "POST", "/v1/predictions", content=form(part), headers={"content-type": kind})
    assert_problem(refused, 422, "form")


@pytest.mark.parametrize("coding", ["gzip", "deflate, gzip", "br"])
def test_compressed_bodies_are_refused_as_such(app, photos, coding):
    body = gzip.compress(form(file(photos[0])))
    assert "compressed" in assert_problem(ask(app, body, content_encoding=coding), 415, "media_type")["detail"]


def test_many_tiny_parts_are_refused_by_their_number(bundle):
    with service(bundle, max_images=3) as app:
        assert_problem(ask(app, form(*[b""] * 200_000)), 413, "too_many")


@settings(max_examples=150, deadline=None)
@given(
    contents=st.lists(
        st.binary(max_size=40) | st.sampled_from([b"\r\n--", b"\r\n", b"--b", b"-", b"\n--b--"]), min_size=1, max_size=4
    ),
    data=st.data(),
)  # fmt: skip
def test_parts_come_back_as_they_went_and_no_prefix_of_a_form_is_taken(contents, data):
    from hierattn.serve.problems import Refusal

    body = b"\r\n" + form(*map(file, contents), boundary=b"bound", end=b"--bound--")
    assert [_content(part, 0) for part in _split(body, b"bound", 4)] == contents
    cut = data.draw(st.integers(0, len(body) - 1))
    with pytest.raises(Refusal) as caught:
        [_content(part, 0) for part in _split(body[:cut], b"bound", 4)]
    assert (caught.value.status, caught.value.code) == (422, "form")


# --- over a socket ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def address(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    log = tmp_path_factory.mktemp("log") / "log"
    with served(bundle, log, "--no-app", "--receive-seconds", "1", "--max-body", "1000000") as (_, url):
        host, port = url.removeprefix("http://").split(":")
        yield host, int(port)
    assert "Traceback" not in log.read_text()


def talk(address: tuple[str, int], *pieces: bytes, wait: float = 0.0, leave: bool = False) -> bytes:
    """What is answered to these bytes, sent piece by piece; ``leave`` ends our side of the connection after them."""
    with socket.create_connection(address, timeout=20) as connection:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(wait)
        if leave:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while True:
            try:
                more = connection.recv(65536)
            except ConnectionError:
                return answer
            if not more:
                return answer
            answer += more


def head(*lines: str) -> bytes:
    all_lines = (
        "POST /v1/predictions HTTP/1.1",
        "Host: x",
        "Connection: close",
        "Content-Type: multipart/form-data; boundary=x",
    )
    return "\r\n".join([*all_lines, *lines, "", ""]).encode()  # fmt: skip


def status_and_body(answer: bytes) -> tuple[int, dict[str, Any]]:
    top, _, body = answer.partition(b"\r\n\r\n")
    if b"chunked" in top.lower():
        body = body.split(b"\r\n")[1]
    return int(top.split()[1]), json.loads(body) if body.startswith(b"{") else {}


def chunks(body: bytes, size: int) -> list[bytes]:
    return [b"%x\r\n%s\r\n" % (len(body[at : at + size]), body[at : at + size]) for at in range(0, len(body), size)]


def test_whole_forms_are_answered_in_whatever_pieces_they_come(address, photos):
    body = form(*map(file, photos))
    length = f"Content-Length: {len(body)}"
    ways = {
        "at once": talk(address, head(length) + body),
        "one byte, then the rest": talk(address, head(length), body[:1], body[1:]),
        "boundary cut in two": talk(address, head(length) + body[: len(body) - 4], body[-4:], wait=0.05),
        "chunked": talk(address, head("Transfer-Encoding: chunked"), *chunks(body, 7001), b"0\r\n\r\n"),
    }  # fmt: skip
    for way, answer in ways.items():
        status, values = status_and_body(answer)
        assert (status, len(values.get("predictions", []))) == (200, 3), (way, answer[:300])


def test_client_that_waits_to_be_asked_for_its_body_is_asked(address, photos):
    body = form(file(photos[0]))
    with socket.create_connection(address, timeout=20) as connection:
        connection.sendall(head(f"Content-Length: {len(body)}", "Expect: 100-continue"))
        assert connection.recv(100).startswith(b"HTTP/1.1 100")
        connection.sendall(body)
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("left_out", [1, 5, 20, 300])
def test_bodies_shorter_than_announced_are_not_answered(address, photos, left_out):
    body = form(*map(file, photos[:2]))
    length = f"Content-Length: {len(body)}"
    for answer in (
        talk(address, head(length) + body[:-left_out], leave=True),
        talk(address, head("Transfer-Encoding: chunked"), *chunks(body, 9000)[:-1], leave=True),
    ):
        assert not answer or status_and_body(answer)[0] == 400, answer[:300]


def test_body_whose_end_does_not_come_is_given_up(address, photos):
    body = form(*map(file, photos[:2]))
    assert status_and_body(talk(address, head(f"Content-Length: {len(body)}") + body[:-20]))[0] == 408


@pytest.mark.parametrize("said", ["short", "both", "negative", "twice"])
def test_lengths_that_contradict_the_body_are_refused(address, photos, said):
    body = form(*map(file, photos[:2]))
    lines = {
        "short": [f"Content-Length: {len(body) - 100}"],
        "both": [f"Content-Length: {len(body)}", "Transfer-Encoding: chunked"],
        "negative": ["Content-Length: -1"],
        "twice": [f"Content-Length: {len(body)}", "Content-Length: 10"],
    }[said]
    status, values = status_and_body(talk(address, head(*lines) + body))
    assert status in (400, 422)
    assert "predictions" not in values


def test_headers_without_bound_are_refused(address):
    assert status_and_body(talk(address, head("X-More: " + "y" * 200_000)))[0] in (400, 431)


@pytest.fixture(scope="module")
def asking_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from small_checkpoints import write_asking_bundle

    path = tmp_path_factory.mktemp("asking") / "asking.onnx"
    write_asking_bundle(path)
    return path


def post_answers(app: Any, answers: str, *photographs: bytes) -> httpx.Response:
    files: list[Any] = [("answers", (None, answers))]
    files += [("images", ("photo", content)) for content in photographs]
    return send(app, "POST", "/v1/predictions", files=files)


def test_answers_of_the_form_count_for_every_photograph(asking_bundle, photos):
    with service(asking_bundle, max_images=2) as app:
        plain = post(app, *photos[:2]).json()["predictions"]
        told = post_answers(app, '{"grew": "yes", "age": 54, "site": null}', *photos[:2]).json()["predictions"]
    for without, with_answers in zip(plain, told, strict=True):
        assert "answers" not in without
        assert with_answers["answers"] == {"grew": "yes", "age": "54"}
        if without["probabilities"] is None:  # unfit: no numbers are shown
            continue
        assert with_answers["photo_alone"]["probabilities"] == without["probabilities"]
        assert with_answers["probabilities"] != without["probabilities"]


@pytest.mark.parametrize("answers", ['{"grew": "perhaps"}', '{"water": "yes"}', "grew=yes", "[]", '{"grew": '])
def test_wrong_answers_are_refused_in_one_line(asking_bundle, photos, answers):
    with service(asking_bundle) as app:
        assert_problem(post_answers(app, answers, photos[0]), 422, "answers")


def test_answers_to_a_bundle_that_asks_nothing_are_refused(bundle, photos):
    with service(bundle) as app:
        problem = assert_problem(post_answers(app, '{"grew": "yes"}', photos[0]), 422, "answers")
    assert "asks none" in problem["detail"]


def test_answers_without_a_photograph_are_refused(asking_bundle):
    with service(asking_bundle) as app:
        assert_problem(post_answers(app, '{"grew": "yes"}'), 422, "form")
