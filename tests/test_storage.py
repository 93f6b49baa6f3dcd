import errno
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import filelock
import pytest

from seqcast import storage
from seqcast.errors import RunError, SeqcastError
from seqcast.storage import LOCK_NAME, lock_directory, output_file, read_regular_file, sha256_hex, write_atomically


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class TestWriting:
    def test_a_new_file_holds_exactly_the_bytes(self, tmp_path: Path) -> None:
        write_atomically(tmp_path / "run.json", b"\x00new\r\n")
        assert (tmp_path / "run.json").read_bytes() == b"\x00new\r\n"
        assert names_in(tmp_path) == ["run.json"]

    def test_an_old_file_is_replaced_when_the_block_ends(self, tmp_path: Path) -> None:
        path = tmp_path / "table.csv"
        path.write_bytes(b"old and longer")
        with output_file(path) as file:
            file.write(b"a,")
            file.write(b"b")
            file.flush()
            assert path.read_bytes() == b"old and longer"
        assert path.read_bytes() == b"a,b"

    def test_a_failing_block_leaves_the_old_file_and_nothing_else(self, tmp_path: Path) -> None:
        path = tmp_path / "table.csv"
        path.write_bytes(b"old")
        with pytest.raises(ZeroDivisionError), output_file(path) as file:
            file.write(b"half")
            raise ZeroDivisionError
        assert path.read_bytes() == b"old"
        assert names_in(tmp_path) == ["table.csv"]

    @pytest.mark.parametrize("mask", [0o022, 0o077])
    def test_the_umask_decides_the_permissions(self, tmp_path: Path, mask: int) -> None:
        before = os.umask(mask)
        try:
            write_atomically(tmp_path / "run.json", b"")
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / "run.json").stat().st_mode) == 0o666 & ~mask

    def test_a_name_of_the_greatest_length_works(self, tmp_path: Path) -> None:
        write_atomically(tmp_path / ("n" * 255), b"x")
        assert names_in(tmp_path) == ["n" * 255]

    def test_a_link_is_replaced_and_its_target_untouched(self, tmp_path: Path) -> None:
        (tmp_path / "precious").write_bytes(b"precious")
        (tmp_path / "metrics.jsonl").symlink_to("precious")
        write_atomically(tmp_path / "metrics.jsonl", b"new")
        assert (tmp_path / "precious").read_bytes() == b"precious"
        assert not (tmp_path / "metrics.jsonl").is_symlink()

    @pytest.mark.parametrize(("make", "kind"), [(os.mkdir, "folder"), (os.mkfifo, "pipe")])
    def test_what_is_no_file_is_refused(self, tmp_path: Path, make: Callable[[Path], None], kind: str) -> None:
        make(tmp_path / "run.json")
        with pytest.raises(RunError, match=rf"run\.json: cannot be written: it is a {kind}, not a plain file"):
            write_atomically(tmp_path / "run.json", b"")

    def test_an_absent_folder_is_named_with_a_remedy(self, tmp_path: Path) -> None:
        with pytest.raises(RunError, match=r"absent/run\.json: cannot be written: No such file .* Create its folder"):
            write_atomically(tmp_path / "absent" / "run.json", b"")

    @pytest.mark.parametrize(
        ("old", "failure", "reason", "left"),
        [
            (b"old", (errno.ENOSPC, 1), r"No space left on device; the old file is intact\. Free space", b"old"),
            (None, (errno.ENOSPC, 1), "no such file was made", None),
            (b"old", (errno.EIO, 2), "the new file is complete, but may not survive a power failure", b"new"),
        ],
    )
    def test_a_failing_disk_is_named_with_what_is_left(
        self, old: bytes | None, failure: tuple[int, int], reason: str, left: bytes | None, tmp_path: Path
    ) -> None:
        path, real, calls = tmp_path / "run.json", os.fsync, []
        if old is not None:
            path.write_bytes(old)

        def broken(descriptor: int) -> None:
            calls.append(descriptor)
            if len(calls) == failure[1]:
                raise OSError(failure[0], os.strerror(failure[0]))
            real(descriptor)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(storage.os, "fsync", broken)
            with pytest.raises(RunError, match=reason) as caught:
                write_atomically(path, b"new")
        assert caught.value.place.file == str(path)
        found = {name: (tmp_path / name).read_bytes() for name in names_in(tmp_path)}
        assert found == ({} if left is None else {"run.json": left})

    def test_a_limit_on_file_size_leaves_the_old_file(self, tmp_path: Path) -> None:
        path = tmp_path / "run.json"
        path.write_bytes(b"old")
        code = (
            "import resource, signal, sys; from pathlib import Path; from seqcast.storage import write_atomically\n"
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
            "write_atomically(Path(sys.argv[1]), bytes(5000))"
        )
        done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=False)
        assert re.search("RunError: .*run.json: cannot be written: File too large; the old file is intact", done.stderr)
        assert path.read_bytes() == b"old"
        assert names_in(tmp_path) == ["run.json"]

    def test_errors_about_other_files_pass_through(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError), output_file(tmp_path / "a"):
            (tmp_path / "other").read_bytes()

    @pytest.mark.parametrize("call", ["fsync", "replace", "open"])
    def test_a_kill_at_each_call_leaves_the_old_or_the_new_file(self, tmp_path: Path, call: str) -> None:
        path = tmp_path / "run.json"
        code = (
            "import os, pathlib, sys; from seqcast import storage\n"
            "home = pathlib.Path if sys.argv[2] == 'replace' else os\n"
            "real, left = getattr(home, sys.argv[2]), [int(sys.argv[3])]\n"
            "def broken(*args, **options):\n"
            "    left[0] -= 1\n"
            "    return os._exit(137) if left[0] == 0 else real(*args, **options)\n"
            "setattr(home, sys.argv[2], broken)\n"
            "storage.write_atomically(pathlib.Path(sys.argv[1]), b'new')\n"
        )
        for at_call in range(1, 10):
            path.write_bytes(b"old")
            command = [sys.executable, "-c", code, str(path), call, str(at_call)]
            returned = subprocess.run(command, check=False).returncode
            assert path.read_bytes() in {b"old", b"new"}
            if returned == 0:
                break
            assert returned == 137
        assert path.read_bytes() == b"new"
        assert at_call > 1


class TestOutputs:
    def test_a_link_is_followed(self, tmp_path: Path) -> None:
        (tmp_path / "link.csv").symlink_to("out.csv")
        with output_file(tmp_path / "link.csv") as file:
            file.write(b"new")
        assert (tmp_path / "out.csv").read_bytes() == b"new"
        assert (tmp_path / "link.csv").is_symlink()

    def test_a_device_is_written_and_stays_a_device(self) -> None:
        with output_file(Path("/dev/null")) as file:
            file.write(b"gone")
        assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)

    def test_a_full_device_is_an_error(self) -> None:
        message = "/dev/full: cannot be written: No space left"
        with pytest.raises(SeqcastError, match=message) as caught, output_file(Path("/dev/full")) as file:
            file.write(b"x")
        assert caught.value.exit_code == 1

    def test_a_pipe_reaches_its_reader(self, tmp_path: Path) -> None:
        pipe, received = tmp_path / "pipe", []
        os.mkfifo(pipe)
        reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()), daemon=True)
        reader.start()
        with output_file(pipe) as file:
            file.write(b"rows")
        reader.join(timeout=10)
        assert received == [b"rows"]

    @pytest.mark.parametrize("folder", [".", "/"])
    def test_a_folder_is_an_error(self, folder: str) -> None:
        with pytest.raises(SeqcastError, match=r"/.*: cannot be written: it is a folder"), output_file(Path(folder)):
            pass

    def test_a_loop_of_links_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "a").symlink_to("b")
        (tmp_path / "b").symlink_to("a")
        message = "a: cannot be written: .*(loop|Too many levels)"
        with pytest.raises(SeqcastError, match=message), output_file(tmp_path / "a"):
            pass


class TestReading:
    def test_a_file_of_the_greatest_size_is_read(self, tmp_path: Path) -> None:
        (tmp_path / "m").write_bytes(b"12345")
        assert read_regular_file(tmp_path / "m", max_bytes=5) == b"12345"

    def test_a_larger_file_is_refused_with_both_sizes(self, tmp_path: Path) -> None:
        (tmp_path / "m").write_bytes(bytes(1234))
        with pytest.raises(RunError, match="m: is too large: 1,234 bytes, at most 1,233 allowed"):
            read_regular_file(tmp_path / "m", max_bytes=1233)

    @pytest.mark.parametrize(
        ("make", "reason"),
        [
            (lambda path: None, "there is no such file"),
            (lambda path: path.symlink_to("/etc/passwd"), "is a symbolic link, not a plain file"),
            (lambda path: path.symlink_to(path.name), "is a symbolic link, not a plain file"),
            (os.mkdir, "is a folder, not a plain file"),
            (os.mkfifo, "is a pipe, not a plain file"),  # without a writer; refused at once
        ],
    )
    def test_what_is_no_plain_file_is_refused(self, tmp_path: Path, make: Callable[[Path], None], reason: str) -> None:
        make(tmp_path / "m")
        with pytest.raises(RunError, match=f"m: {reason}"):
            read_regular_file(tmp_path / "m", max_bytes=5)

    def test_a_device_is_refused(self) -> None:
        with pytest.raises(RunError, match="is a device, not a plain file"):
            read_regular_file(Path("/dev/zero"), max_bytes=5)

    def test_a_file_that_is_not_as_large_as_it_says_is_refused(self) -> None:
        with pytest.raises(RunError, match="changed while it was read"):
            read_regular_file(Path("/proc/self/status"), max_bytes=5)

    def test_a_limit_far_above_the_size_allocates_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "m").write_bytes(b"1")
        assert read_regular_file(tmp_path / "m", max_bytes=2**62) == b"1"


def test_the_fingerprint_is_sha256() -> None:
    assert sha256_hex(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


HOLD = (
    "import sys, time; from pathlib import Path; from seqcast.storage import lock_directory\n"
    "with lock_directory(Path(sys.argv[1])):\n"
    "    print('held', flush=True); time.sleep(60)\n"
)


class TestLock:
    def test_a_second_writer_is_told_who_holds_it(self, tmp_path: Path) -> None:
        message = rf"is being written by process {os.getpid()} on {re.escape(socket.gethostname())}\. Wait"
        with lock_directory(tmp_path), pytest.raises(RunError, match=message), lock_directory(tmp_path):
            pass

    def test_it_is_free_after_the_block_and_after_a_failing_block(self, tmp_path: Path) -> None:
        with pytest.raises(ZeroDivisionError), lock_directory(tmp_path):
            raise ZeroDivisionError
        with lock_directory(tmp_path):
            pass

    def test_a_killed_holder_frees_it(self, tmp_path: Path) -> None:
        with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE) as process:
            assert process.stdout.readline() == b"held\n"
            with pytest.raises(RunError, match=f"process {process.pid} on"), lock_directory(tmp_path):
                pass
            process.send_signal(signal.SIGKILL)
        with lock_directory(tmp_path):
            pass

    @pytest.mark.parametrize("content", [b"\x1b[31mred", b"\xff", b"process 1 on \x1b]0;owned\x07\n", bytes(500)])
    def test_what_a_stranger_wrote_into_it_is_not_repeated(self, tmp_path: Path, content: bytes) -> None:
        with filelock.FileLock(tmp_path / LOCK_NAME):
            (tmp_path / LOCK_NAME).write_bytes(content)
            with pytest.raises(RunError, match=r"is being written by another process\."), lock_directory(tmp_path):
                pass

    def test_files_left_by_a_killed_writer_are_removed_and_others_kept(self, tmp_path: Path) -> None:
        for name in [".seqcast-0123456789abcdef.tmp", ".seqcast-mine.tmp", "run.json"]:
            (tmp_path / name).write_bytes(b"")
        with lock_directory(tmp_path):
            assert names_in(tmp_path) == [LOCK_NAME, ".seqcast-mine.tmp", "run.json"]

    @pytest.mark.parametrize(
        ("make", "reason"),
        [(Path.symlink_to, "cannot be locked"), (Path.hardlink_to, "cannot be locked: it has another name elsewhere")],
    )
    def test_a_link_in_its_place_is_refused_and_its_target_untouched(
        self, tmp_path: Path, make: Callable[[Path, Path], None], reason: str
    ) -> None:
        (tmp_path / "precious").write_bytes(b"precious")
        make(tmp_path / LOCK_NAME, tmp_path / "precious")
        with pytest.raises(RunError, match=reason), lock_directory(tmp_path):
            pass
        assert (tmp_path / "precious").read_bytes() == b"precious"

    @pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
    def test_what_is_no_file_in_its_place_is_refused(self, tmp_path: Path, make: Callable[[Path], None]) -> None:
        make(tmp_path / LOCK_NAME)
        with pytest.raises(RunError, match=r"cannot be locked: it is a (folder|pipe)"), lock_directory(tmp_path):
            pass

    def test_a_folder_with_the_name_of_a_left_file_is_let_be(self, tmp_path: Path) -> None:
        (tmp_path / ".seqcast-0123456789abcdef.tmp").mkdir()
        with lock_directory(tmp_path):
            assert names_in(tmp_path) == [LOCK_NAME, ".seqcast-0123456789abcdef.tmp"]

    def test_an_absent_directory_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(RunError, match="absent: there is no such directory"), lock_directory(tmp_path / "absent"):
            pass
