"""What is written is there whole or as it was before, and nothing of the user's is replaced."""

import errno
import hashlib
import json
import multiprocessing
import os
import signal
import stat
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import pytest

from hierattn import files
from hierattn.errors import DataError, NoSpaceError, UsageError
from hierattn.files import (
    CONTENTS,
    FolderKind,
    atomic_file,
    check_file_replaceable,
    check_replaceable,
    lock,
    whole_folder,
    write_table,
)

KIND = FolderKind("a test result", "result.json", older=("figures/*.svg", "table.csv"))


def make(out: Path, text: str = "{}", **options: object) -> None:
    with whole_folder(out, KIND, **options) as place:
        (place.folder / "figures").mkdir(exist_ok=True)
        (place.folder / "figures" / "curve.svg").write_text(text)
        (place.folder / "result.json").write_text(text)


def fail(out: Path, error: type[BaseException], **options: object) -> None:
    with whole_folder(out, KIND, **options) as place:
        (place.folder / "first").write_text("1")
        place.journal.write(b"first\n")
        raise error


def tree(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): p.read_text() for p in sorted(folder.rglob("*")) if p.is_file()}


# --- one file ----------------------------------------------------------------------------------------------------


def test_a_file_whose_writing_fails_is_as_it_was(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("before")

    def rows():
        yield (1, 2)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_table(path, ("a", "b"), rows())
    assert tree(tmp_path) == {"table.csv": "before"}


def test_a_file_follows_the_umask_even_where_the_writer_made_it_private(tmp_path):
    with atomic_file(tmp_path / "weights") as part:
        part.touch(mode=0o600)
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE((tmp_path / "weights").stat().st_mode) == 0o666 & ~umask


def test_a_link_is_written_through(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "link.csv").symlink_to(tmp_path / "far" / "table.csv")
    write_table(tmp_path / "link.csv", ("a", "b"), [(1, 2)])
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "far" / "table.csv").read_text() == "a,b\n1,2\n"


def test_a_name_that_is_not_utf8_comes_back_from_a_table(tmp_path):
    name = os.fsdecode(b"caf\xe9.jpg")
    write_table(tmp_path / "t.csv", ("image",), [(name,)])
    assert (tmp_path / "t.csv").read_bytes() == b"image\ncaf\xe9.jpg\n"


def test_json_without_a_number_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(tmp_path / "x.json", {"value": float("nan")})
    assert not list(tmp_path.iterdir())


# --- single files ------------------------------------------------------------------------------------------------


def is_ours(path: Path) -> bool:
    return path.read_text(encoding="utf-8").startswith("ours")


@pytest.mark.parametrize(("there", "taken"), [(None, True), (b"", True), (b"ours, 1", True), (b"a note", False)])
def test_only_a_file_that_we_wrote_is_replaced(tmp_path, there, taken):
    path = tmp_path / "out.txt"
    if there is not None:
        path.write_bytes(there)
    with nullcontext() if taken else pytest.raises(UsageError, match="not a test file that hierattn wrote"):
        check_file_replaceable(path, "a test file", is_ours)


def test_a_file_that_cannot_be_understood_is_not_ours(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(UsageError, match="not a test file"):
        check_file_replaceable(tmp_path / "photo.jpg", "a test file", is_ours)


@pytest.mark.parametrize("link", ["itself", "symbolic", "hard", "dotted", "through a folder"])
def test_an_input_is_known_under_each_of_its_names(tmp_path, link):
    photo = tmp_path / "photo.txt"
    photo.write_text("ours, and to be read")
    out = {"itself": photo, "dotted": tmp_path / "x" / ".." / "photo.txt"}.get(link, tmp_path / "other.txt")
    (tmp_path / "x").mkdir()
    if link == "symbolic":
        out.symlink_to(photo)
    elif link == "hard":
        out.hardlink_to(photo)
    elif link == "through a folder":
        (tmp_path / "again").symlink_to(tmp_path)
        out = tmp_path / "again" / "photo.txt"
    with pytest.raises(UsageError, match="is to be read"):
        check_file_replaceable(out, "a test file", is_ours, inputs=[tmp_path / "missing", photo])


@pytest.mark.parametrize("name", [".", "folder", "/dev/null", "note.txt/out.txt", "pipe"])
def test_a_file_is_not_put_where_none_can_be(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("note.txt").write_text("a note")
    os.mkfifo("pipe")
    with pytest.raises(UsageError, match=r"wanted the name of a file|choose another name"):
        check_file_replaceable(Path(name), "a test file", is_ours)
    assert Path("note.txt").read_text() == "a note"


def test_a_new_file_in_a_new_folder_is_taken(tmp_path):
    check_file_replaceable(tmp_path / "a" / "b" / "out.txt", "a test file", is_ours)


@pytest.mark.parametrize("mask", [0o002, 0o022, 0o027, 0o077])
def test_what_is_written_follows_the_umask_of_the_moment(tmp_path, mask):
    before = os.umask(mask)
    try:
        with atomic_file(tmp_path / "weights") as part:
            part.unlink()
            part.touch(mode=0o600)  # as safetensors does
        make(tmp_path / "out")
    finally:
        os.umask(before)
    for path in [tmp_path / "weights", *(tmp_path / "out").rglob("*"), tmp_path / "out"]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o777 if path.is_dir() else 0o666) & ~mask, path


def test_what_is_replaced_keeps_its_mode(tmp_path):
    files.write_text(tmp_path / "table.csv", "1")
    make(tmp_path / "out")
    (tmp_path / "table.csv").chmod(0o600)
    (tmp_path / "out").chmod(0o700)
    files.write_text(tmp_path / "table.csv", "2")
    make(tmp_path / "out", "2")
    assert stat.S_IMODE((tmp_path / "table.csv").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o700
    assert (tmp_path / "out" / "result.json").read_text() == "2"


@pytest.mark.parametrize("what", ["folder", "pipe", "device"])
def test_what_is_no_file_is_not_replaced_by_one(tmp_path, what):
    path = tmp_path / "out"
    if what == "folder":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/null")
    with pytest.raises(UsageError, match="a folder, a device or a pipe"):
        files.write_text(path, "x")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("where", ["file/x.csv", "file/in/x.csv"])
def test_a_path_through_a_file_says_so(tmp_path, where):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DataError, match=r"x\.csv cannot be written \(.*\): choose another place"):
        files.write_text(tmp_path / where, "x")
    assert tree(tmp_path) == {"file": "mine"}


def _write_often(path: Path, text: str) -> None:
    for _ in range(50):
        files.write_text(path, text)


def test_two_that_write_one_file_leave_one_of_both_whole(tmp_path):
    context = multiprocessing.get_context("fork")
    texts = [letter * 200_000 for letter in "ab"]
    both = [context.Process(target=_write_often, args=(tmp_path / "x", text)) for text in texts]
    for process in both:
        process.start()
    for process in both:
        process.join(60)
        assert process.exitcode == 0
    assert (tmp_path / "x").read_text() in texts
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize("again", ["write", "tidy"])
def test_what_a_killed_process_left_beside_a_file_goes_with_the_next_write_or_look(tmp_path, again):
    code = (
        "import os, signal, sys; from pathlib import Path; from hierattn.files import atomic_file\n"
        "with atomic_file(Path(sys.argv[1])) as part: part.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    files.write_text(tmp_path / "x", "before")
    subprocess.run([sys.executable, "-c", code, tmp_path / "x"], check=False)
    assert len(list(tmp_path.iterdir())) > 1
    assert (tmp_path / "x").read_text() == "before"
    if again == "write":
        files.write_text(tmp_path / "x", "after")
    else:
        files.tidy(tmp_path / "x")
    assert tree(tmp_path) == {"x": "after" if again == "write" else "before"}


def test_what_another_process_is_writing_is_not_tidied_away(tmp_path):
    with atomic_file(tmp_path / "x") as part:
        part.write_text("whole")
        files.tidy(tmp_path / "x")
    assert tree(tmp_path) == {"x": "whole"}


class _Covering(RuntimeError):
    """What torch and safetensors raise in the place of a full disk."""


def _covered(how: str) -> BaseException:
    full = OSError(errno.ENOSPC, "No space left on device")
    try:
        if how == "itself":
            raise full
        if how == "text":
            raise _Covering("I/O error: No space left on device (os error 28)")
        try:
            raise full
        except OSError:
            if how == "cause":
                raise _Covering("unexpected pos 9410752 vs 9410644") from full
            raise _Covering("unexpected pos 9410752 vs 9410644")  # noqa: B904 - as torch does
    except Exception as error:
        return error


@pytest.mark.parametrize("how", ["itself", "text", "cause", "context"])
def test_a_full_disk_is_seen_whatever_covers_it(tmp_path, how):
    assert files.is_no_space(_covered(how))
    assert not files.is_no_space(RuntimeError("unexpected pos"))
    assert not files.is_no_space(PermissionError(errno.EACCES, "Permission denied"))
    with pytest.raises(NoSpaceError, match="no space for"), atomic_file(tmp_path / "x"):
        raise _covered(how)
    with pytest.raises(NoSpaceError, match="no space for"), whole_folder(tmp_path / "out", KIND):
        raise _covered(how)
    assert not list(tmp_path.iterdir())


# --- locks -------------------------------------------------------------------------------------------------------


def _hold(path: Path, ready: object, go: object) -> None:
    with lock(path, "it is being made"):
        ready.set()
        go.wait(30)


def test_a_second_process_is_told_which_one_holds_the_lock(tmp_path):
    context = multiprocessing.get_context("spawn")
    ready, go = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(tmp_path / "lock", ready, go))
    other.start()
    try:
        assert ready.wait(60)
        with (
            pytest.raises(UsageError, match=f"it is being made by process {other.pid} on "),
            lock(tmp_path / "lock", "it is being made"),
        ):
            pass
    finally:
        go.set()
        other.join(30)
    with lock(tmp_path / "lock", "free again"):
        assert (tmp_path / "lock").exists()
    assert not (tmp_path / "lock").exists()


def test_the_lock_of_a_killed_process_does_not_bind(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from hierattn.files import lock\n"
        "with lock(Path(sys.argv[1]), 'busy'): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, tmp_path / "lock"], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        other.kill()
    with lock(tmp_path / "lock", "busy"):
        pass


@pytest.mark.parametrize("whole", ["process 1 on somewhere", "process 99999somewhere"])
def test_a_lock_whose_signing_was_cut_at_any_byte_is_known_as_left(tmp_path, whole):
    for length in range(1, len(whole) + 1):
        (tmp_path / "lock").write_text(whole[:length])
        with lock(tmp_path / "lock", "busy") as was_left:
            assert was_left


@pytest.mark.parametrize("content", ["mine", "processes", "process x", "proces\n", " process 1 on a"])
def test_a_file_that_is_no_lock_of_ours_is_refused_and_not_touched(tmp_path, content):
    (tmp_path / "lock").write_text(content)
    with pytest.raises(UsageError, match="in the way"), lock(tmp_path / "lock", "busy"):
        pass
    assert (tmp_path / "lock").read_text() == content


def test_a_lock_that_was_left_is_known_as_left_after_a_second_kill(tmp_path):
    (tmp_path / "lock").write_text("process 1 on somewhere")
    code = (
        "import os, platform, signal, sys; from pathlib import Path; from hierattn.files import lock\n"
        "platform.node = lambda: os.kill(os.getpid(), signal.SIGKILL)\n"  # the lock is held and not yet signed
        "with lock(Path(sys.argv[1]), 'busy'): pass"
    )
    assert subprocess.run([sys.executable, "-c", code, tmp_path / "lock"], check=False).returncode == -signal.SIGKILL
    with lock(tmp_path / "lock", "busy") as was_left:
        assert was_left


# --- whole folders -----------------------------------------------------------------------------------------------


def test_a_folder_is_replaced_whole_and_lists_what_it_holds(tmp_path):
    make(tmp_path / "out", "1")
    make(tmp_path / "out", "22")
    made = tree(tmp_path / "out")
    assert json.loads(made.pop(CONTENTS)) == {
        "kind": "a test result",
        "files": {"figures/curve.svg": 2, "result.json": 2},
        "sha256": dict.fromkeys(("figures/curve.svg", "result.json"), hashlib.sha256(b"22").hexdigest()),
    }
    assert made == {"figures/curve.svg": "22", "result.json": "22"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("added", ["note.txt", "figures/mine.svg", "deep/er/photo.jpg", ".hidden"])
def test_a_folder_to_which_somebody_added_a_file_is_not_touched(tmp_path, added):
    out = tmp_path / "out"
    make(out)
    (out / added).parent.mkdir(parents=True, exist_ok=True)
    (out / added).write_text("mine")
    before = tree(out)
    with pytest.raises(UsageError, match=f"holds {added}, .*nothing in it is touched"):
        make(out, "2")
    assert tree(out) == before


def test_a_file_that_somebody_changed_is_not_replaced(tmp_path):
    make(tmp_path / "out")
    (tmp_path / "out" / "result.json").write_text("{}  my correction")
    with pytest.raises(UsageError, match=r"holds result\.json"):
        make(tmp_path / "out")


def test_a_file_that_somebody_changed_without_its_length_is_not_replaced(tmp_path):
    make(tmp_path / "out", "0.5")
    (tmp_path / "out" / "figures" / "curve.svg").write_text("0.6")
    with pytest.raises(UsageError, match=r"holds figures/curve\.svg"):
        make(tmp_path / "out")


def test_a_list_of_an_earlier_version_has_no_digests_and_is_read(tmp_path):
    make(tmp_path / "out", "22")
    listed = json.loads((tmp_path / "out" / CONTENTS).read_text())
    listed.pop("sha256")
    (tmp_path / "out" / CONTENTS).write_text(json.dumps(listed))
    make(tmp_path / "out", "3")
    (tmp_path / "out" / CONTENTS).write_text(json.dumps(listed))
    with pytest.raises(UsageError, match="holds figures"):
        make(tmp_path / "out")


@pytest.mark.parametrize("out", ["file", "file/out", "file/deep/er", "link", "circle", "n" * 300, "circle/out"])
def test_a_place_that_can_be_no_folder_is_refused_before_any_work(tmp_path, out):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    with pytest.raises(UsageError, match="choose another"):
        check_replaceable(tmp_path / out, KIND)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("readable", [False, True])
def test_a_place_that_may_not_be_written_is_refused_before_any_work(tmp_path, monkeypatch, readable):
    (tmp_path / "ro" / "out").mkdir(parents=True)
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # the test may run as root, who may write everywhere
    with pytest.raises(UsageError, match="cannot be written"):
        check_replaceable(tmp_path / "ro" / ("out" if readable else "new"), KIND)


def test_a_link_that_leads_nowhere_yet_is_followed(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "far" / "out")
    make(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "far" / "out" / "result.json").exists()
    make(tmp_path / "link", "2")
    assert [path.name for path in (tmp_path / "far").iterdir()] == ["out"]


def test_an_empty_folder_that_somebody_made_is_filled_and_stays_theirs(tmp_path):
    (tmp_path / "out").mkdir(mode=0o2770)
    (tmp_path / "out").chmod(0o2770)
    before = (tmp_path / "out").stat()
    with pytest.raises(RuntimeError):
        fail(tmp_path / "out", RuntimeError)
    assert not list((tmp_path / "out").iterdir())
    make(tmp_path / "out")
    after = (tmp_path / "out").stat()
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_in_it_that_somebody_made_stays(tmp_path, monkeypatch):
    make(tmp_path / "out")
    (tmp_path / "out" / "lost+found").mkdir()
    monkeypatch.chdir(tmp_path / "out")
    make(Path(), "2")
    assert (tmp_path / "out" / "lost+found").is_dir()
    assert (tmp_path / "out" / "result.json").read_text() == "2"


def test_an_error_in_reading_is_not_taken_for_one_in_writing(tmp_path):
    (tmp_path / "source").mkdir()
    with pytest.raises(IsADirectoryError), whole_folder(tmp_path / "out", KIND):
        (tmp_path / "source").read_bytes()
    assert not (tmp_path / "out").exists()


def test_a_file_that_became_a_link_is_not_replaced(tmp_path):
    make(tmp_path / "out")
    (tmp_path / "elsewhere").write_text("{}")
    (tmp_path / "out" / "result.json").unlink()
    (tmp_path / "out" / "result.json").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match=r"holds result\.json"):
        make(tmp_path / "out")
    assert (tmp_path / "elsewhere").read_text() == "{}"


def test_a_note_added_while_the_folder_was_made_is_kept(tmp_path):
    make(tmp_path / "out")

    def make_slowly():
        with whole_folder(tmp_path / "out", KIND) as place:
            (place.folder / "result.json").write_text("new")
            (tmp_path / "out" / "note").write_text("mine")

    with pytest.raises(UsageError, match="holds note"):
        make_slowly()
    assert (tmp_path / "out" / "note").read_text() == "mine"
    assert (tmp_path / "out" / "result.json").read_text() == "{}"


@pytest.mark.parametrize("desktop", [".DS_Store", "Thumbs.db", "figures/desktop.ini"])
def test_what_a_desktop_leaves_by_itself_does_not_count(tmp_path, desktop):
    make(tmp_path / "out")
    (tmp_path / "out" / desktop).touch()
    make(tmp_path / "out", "2")
    assert (tmp_path / "out" / "result.json").read_text() == "2"


def test_a_folder_of_an_older_version_is_known_by_its_names(tmp_path):
    out = tmp_path / "out"
    (out / "figures").mkdir(parents=True)
    for name in ("result.json", "table.csv", "figures/roc.svg"):
        (out / name).write_text("old")
    make(out, "new")
    assert "table.csv" not in tree(out)
    (out / CONTENTS).unlink()
    (out / "photo.jpg").touch()
    with pytest.raises(UsageError, match=r"holds photo\.jpg"):
        make(out)


def test_a_folder_without_our_mark_is_not_ours(tmp_path):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "mine.svg").touch()
    with pytest.raises(UsageError, match=r"figures/mine\.svg"):
        check_replaceable(tmp_path, KIND)


def test_a_result_of_another_kind_is_not_replaced(tmp_path):
    make(tmp_path / "out")
    with pytest.raises(UsageError, match=r"not part of a model"):
        check_replaceable(tmp_path / "out", FolderKind("a model", "model.json"))


def test_an_output_that_is_or_holds_an_input_is_refused(tmp_path):
    make(tmp_path / "out")
    for path in (tmp_path / "out", tmp_path / "out" / "figures"):
        with pytest.raises(UsageError, match="is to be read"):
            check_replaceable(tmp_path / "out", KIND, inputs=[path])


def test_a_folder_of_folders_that_we_made_is_ours_too(tmp_path):
    make(tmp_path / "all" / "part")
    (tmp_path / "all" / KIND.mark).touch()
    files.write_contents(tmp_path / "all", KIND)
    check_replaceable(tmp_path / "all", KIND)
    (tmp_path / "all" / "part" / "note").touch()
    with pytest.raises(UsageError, match="holds part/note"):
        check_replaceable(tmp_path / "all", KIND)


def test_a_failure_leaves_nothing_behind(tmp_path):
    with pytest.raises(RuntimeError):
        fail(tmp_path / "out", RuntimeError)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_told_before_the_work(tmp_path):
    with (
        pytest.raises(DataError, match=r"no space for .*1e\+09 GB"),
        whole_folder(tmp_path / "out", KIND, expected_bytes=10**18),
    ):
        raise AssertionError("must not be begun")
    assert not list(tmp_path.iterdir())


def test_what_was_stopped_goes_on_where_it_was(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        fail(out, KeyboardInterrupt, resumable=True)
    assert not out.exists()
    with whole_folder(out, KIND, resumable=True) as place:
        place.journal.seek(0)
        assert place.journal.read() == b"first\n"
        (place.folder / "result.json").write_text("2")
    made = tree(out)
    made.pop(CONTENTS)
    assert made == {"first": "1", "result.json": "2"}


def test_work_that_cannot_go_on_begins_empty(tmp_path):
    out = tmp_path / "out"
    (tmp_path / ".out.part").mkdir()
    for name in ("rubbish", ".journal"):
        (tmp_path / ".out.part" / name).touch()
    make(out)
    assert "rubbish" not in tree(out)


@pytest.mark.parametrize("resumable", [False, True])
@pytest.mark.parametrize(
    "own",
    [".out.part/note", ".out.former/note", ".out.lock", ".out.part", "out/.hierattn.part/note", "out/.hierattn.ready/a",
     "out/.hierattn.lock"],
)  # fmt: skip
def test_what_a_user_has_under_the_names_of_our_work_is_not_touched(tmp_path, own, resumable):
    (tmp_path / own).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / own).write_text("keep")
    with pytest.raises(UsageError, match="is in the way"):
        make(tmp_path / "out", resumable=resumable)
    assert tree(tmp_path) == {own: "keep"}


@pytest.mark.parametrize("own", [".t.csv.new", ".t.csv.lock"])
def test_what_a_user_has_beside_a_file_is_not_touched(tmp_path, own):
    (tmp_path / own).write_text("keep")
    (tmp_path / "t.csv").write_text("before")
    with pytest.raises(UsageError, match=f"{own} is in the way"):
        write_table(tmp_path / "t.csv", ["a"], [])
    files.tidy(tmp_path / "t.csv")
    assert tree(tmp_path) == {own: "keep", "t.csv": "before"}


def test_what_a_killed_process_left_beside_a_file_is_no_obstacle(tmp_path):
    (tmp_path / ".t.csv.lock").write_text("process 1 on elsewhere")
    (tmp_path / ".t.csv.new").write_text("half")
    write_table(tmp_path / "t.csv", ["a"], [])
    assert tree(tmp_path) == {"t.csv": "a\n"}


def test_a_name_for_which_the_disk_has_no_room_is_one_line(tmp_path):
    with pytest.raises(DataError, match="cannot be written"):
        make(tmp_path / ("z" * 252))


KILLED = """
import os, signal, sys, time
from pathlib import Path
from hierattn.files import FolderKind, whole_folder
out, inside = Path(sys.argv[1]), sys.argv[2] == "inside"
if inside: os.chdir(out)
kind = FolderKind("a test result", "result.json", older=("figures/*.svg", "table.csv"))
with whole_folder(out, kind) as place:
    (place.folder / "figures").mkdir()
    for number in range(40):
        (place.folder / "figures" / f"{number}.svg").write_text("new")
    (place.folder / "result.json").write_text("new")
    print("ready", flush=True)
"""


@pytest.mark.parametrize("where", ["beside", "inside"])
@pytest.mark.parametrize("delay", [0.0, 0.0003, 0.001, 0.003, 0.01])
def test_killed_while_it_replaces_a_folder_it_ends_with_the_old_or_the_new(tmp_path, where, delay):
    out = tmp_path / "out"
    make(out, "old")
    command = [sys.executable, "-c", KILLED, str(out), where]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        time.sleep(delay)
        child.kill()
    if (out / "result.json").exists():  # whole for a reader at any moment
        words = set(tree(out / "figures").values())
        assert words == {(out / "result.json").read_text()}
    again = subprocess.run(command, check=True, capture_output=True)
    assert again.stdout == b"ready\n"
    made = tree(out)
    made.pop(CONTENTS)
    assert len(made) == 41
    assert set(made.values()) == {"new"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_the_working_folder_is_filled_and_stays_the_same_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = tmp_path.stat().st_ino
    make(Path())
    make(Path(), "2")
    assert tmp_path.stat().st_ino == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [CONTENTS, "figures", "result.json"]
    assert (tmp_path / "result.json").read_text() == "2"


def test_two_at_once_one_makes_it_and_the_other_says_so(tmp_path):
    with whole_folder(tmp_path / "out", KIND) as place:
        (place.folder / "result.json").touch()
        code = "from tests.test_files import make; from pathlib import Path; import sys; make(Path(sys.argv[1]))"
        environment = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
        root = Path(__file__).resolve().parents[1]
        other = subprocess.run(
            [sys.executable, "-c", code, tmp_path / "out"], cwd=root, env=environment, capture_output=True, text=True
        )
        assert f"is being made by process {os.getpid()} on " in other.stderr
    assert (tmp_path / "out" / "result.json").exists()


# --- paths -------------------------------------------------------------------------------------------------------


def test_relative_paths_lead_back(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    told = files.relative_path(str(tmp_path / "x" / "photo.jpg"), tmp_path / "a" / "b")
    assert told == "../../x/photo.jpg"
    assert files.relative_path("ISIC_0000001", tmp_path) == "ISIC_0000001"
