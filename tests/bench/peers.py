#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""peers.py PEERS SEARCHER: the race's own logic, with runtimes that are made up. Needs no network.

SEARCHER is clvits-search-peer.
"""
import contextlib
import importlib.util
import io
import json
import math
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import types

PEERS, SEARCHER = map(pathlib.Path, sys.argv[1:3])
sys.path.insert(0, str(PEERS))
import alignment  # noqa: E402
import race  # noqa: E402

spec = importlib.util.spec_from_file_location("peers_main", PEERS / "__main__.py")
peers = importlib.util.module_from_spec(spec)
spec.loader.exec_module(peers)

race.REST = 0.0
CASE = {"voice": "medium", "rate": 4, "ids": [1, 0, 5, 0, 2], "seconds": 2.0, "threads": 3,
        "batch": 1}
TURNS = []


class Fake:
    """Says what it is told, in the time that it is told, and notes its turns."""
    version = "9"

    def __init__(self, name, seconds, frames=(2, 3), wave=(0.5, -1.0, 0.25, 0.0)):
        self.name, self.seconds, self.frames, self.wave = name, list(seconds), frames, wave
        self.device = "Made up"

    def set_ids(self, ids, batch):
        assert ids == CASE["ids"]
        self.batch = batch

    def go(self):
        TURNS.append(self.name)
        self.seconds = self.seconds[1:] + self.seconds[:1]
        return self.seconds[-1]

    def result(self, _scratch=None):
        return self.frames, self.wave


def raced(*others, count=4):
    clvits = Fake("clvits", [0.1])
    return list(race.race(clvits, [(other.name, name, lambda other=other: other)
                                   for name, other in others],
                          CASE, count, ""))


def check_ratios():
    TURNS.clear()
    result, = raced(("defaults", Fake("slow", [0.4, 0.2])))
    assert TURNS == ["clvits", "slow"] * 2 + ["clvits", "slow", "slow", "clvits"] * 2, TURNS
    ratio = result["ratio"]
    assert all(abs(ratio[k] - v) < 1e-9 for k, v in (("median", 3), ("min", 2), ("max", 4))), ratio
    assert result["other"]["runs"] == 4 and result["other"]["min"] == 0.2
    assert result["clvits"]["median"] == 0.1 and len(result["clvits"]["samples"]) == 4
    assert result["audio"] == 1.0 and result["threads"] == 3 and result["ids"] == 5
    assert result["durations_equal"] and result["samples_equal"] and result["error"] == 0.0
    assert result["settings"] == "defaults" and result["device"] == "Made up"


def check_disturbed():
    """A side whose own runs differ by more than a tenth, most of them, marks the race."""
    for runs, spread, noisy in (([1.0, 1.3, 1.0, 1.0], 0.3, True), ([1.0] * 6 + [9.0], 0.0, False),
                                ([1.0, 1.05, 1.1, 1.15, 1.2], 0.1 / 1.1, False),
                                ([2.0], 0.0, False)):
        result, = raced(("defaults", Fake("x", runs)), count=len(runs))
        assert abs(result["other"]["spread"] - spread) < 1e-4, result
        assert result["clvits"]["spread"] == 0.0 and result["noisy"] == noisy, result
        with contextlib.redirect_stdout(io.StringIO()) as said:
            assert peers.show(result) == 0
        assert (") ~, disturbed; difference" in said.getvalue()) == noisy, said.getvalue()
    clvits = race.pairs(Fake("clvits", [1.0, 2.0]), Fake("x", [1.0]), 4)
    assert clvits["noisy"] and clvits["clvits"]["spread"] > 0.1, "either side"


def check_disagreement():
    """Another number of samples, other durations, other samples, none: no ratio is made of it."""
    wrong = raced(("a", Fake("x", [1], wave=(0.5,))),
                  ("b", Fake("x", [1], frames=(2, 4))),
                  ("c", Fake("x", [1], wave=(0.5, -2.0, 0.25, 0.0))),
                  ("d", Fake("x", [1], wave=(0.5, -1.0, 0.25, math.nan))),
                  ("e", Fake("x", [1], wave=(0.5, math.nan, 0.25, 0.0))),
                  ("f", Fake("x", [1], wave=(0.5, -1.0, 0.25, 0.0011))))
    shorter, longer, off = wrong[:3]
    assert not shorter["samples_equal"] and shorter["error"] is None
    assert not longer["durations_equal"] and longer["samples_equal"]
    assert off["error"] == 0.5 and wrong[3]["error"] is None is wrong[4]["error"]
    empty = [Fake(name, [1], wave=()) for name in ("clvits", "x")]
    wrong += race.race(empty[0], [("x", "g", lambda: empty[1])], CASE, 1, "")
    assert not any(k in r for r in wrong for k in ("ratio", "clvits", "other")), wrong
    with contextlib.redirect_stdout(io.StringIO()) as said:
        assert [peers.show(r) for r in wrong] == [1] * 7
    assert said.getvalue().count("NOT THE SAME AUDIO") == 7
    assert "times faster" not in said.getvalue()
    near, = raced(("a", Fake("x", [1], wave=(0.5, -1.0, 0.25, 0.0009))))
    with contextlib.redirect_stdout(io.StringIO()) as said:
        assert peers.show(near) == 0 and "10.00 times faster" in said.getvalue()


def check_failure():
    """A runtime that cannot run loses its row, and no other."""
    def broken():
        raise RuntimeError("no such operator\nand more")

    failed, fine = race.race(Fake("clvits", [0.1]),
                             [("torch", "compiled", broken),
                              ("x", "defaults", lambda: Fake("x", [1]))], CASE, 1, "")
    assert failed["peer"] == "torch" and failed["settings"] == "compiled"
    assert failed["failed"] == "no such operator" and "ratio" not in failed
    assert fine["ratio"]["median"] == 10.0
    with contextlib.redirect_stdout(io.StringIO()):
        assert peers.show(failed) == 3 and peers.show(fine) == 0


def check_batch():
    """A batch is asked of both, and is a race of its own; halves may be off by 45 dB."""
    clvits, other = Fake("clvits", [0.1]), Fake("x", [1], wave=(0.5, -1.0, 0.25, 0.004))
    other.most = race.MOST_HALVES
    result, = race.race(clvits, [("torch", "eager, fp16", lambda: other)], {**CASE, "batch": 16}, 1,
                        "")
    assert clvits.batch == other.batch == result["batch"] == 16 and result["ratio"], result
    other.wave = (0.5, -1.0, 0.25, 0.006)
    again, = race.race(clvits, [("torch", "eager, fp16", lambda: other)], CASE, 1, "")
    assert "wrong" in again and "batch" not in again, again
    with contextlib.redirect_stdout(io.StringIO()) as said:
        peers.show(result)
    assert said.getvalue().startswith("medium, 16 times 5 symbols"), said.getvalue()
    with tempfile.TemporaryDirectory() as name:
        race.append(pathlib.Path(name, "a.json"), [result])
        race.append(pathlib.Path(name, "a.json"), [again])
        assert len(json.loads(pathlib.Path(name, "a.json").read_text())["peers"]) == 2


def check_runtimes():
    """What races as what, by its name; a device that PyTorch lacks is refused in words."""
    cuda = types.SimpleNamespace(is_available=lambda: False)
    sys.modules.update(numpy=types.ModuleType("numpy"), torch=types.SimpleNamespace(cuda=cuda))
    try:
        import runtimes

        def names(threads, *torch_as):
            return [name for _, name, _ in runtimes.others("", "medium", threads, *torch_as)]

        assert names(1) == ["defaults", "piper", "libpiper"] and names(4) == ["defaults", "piper"]
        assert names(4, ("cpu", "fp32"))[2:] == ["eager", "compiled"]
        assert names(4, ("cuda", "fp16"))[2:] == ["eager, cuda, fp16", "compiled, cuda, fp16"]
        runtimes.check_device("cpu")
        try:
            runtimes.check_device("cuda")
        except RuntimeError as error:
            assert "--torch-device cuda: PyTorch finds no such device" in str(error)
        else:
            raise AssertionError("there is no such device")
        cuda.is_available = lambda: True
        runtimes.check_device("cuda")
    finally:
        del sys.modules["numpy"], sys.modules["torch"]


class FakeAligner(Fake):
    """Takes cases of alignment."""

    def set_case(self, items, text, frames):
        if items > 16:
            raise MemoryError("no room")
        self.frames = [frames // text] * items * text

    def durations(self):
        return self.frames


def check_alignment():
    """Only what aligns alike is timed, and a case without room costs no other."""
    clvits, other = FakeAligner("clvits", [0.1]), FakeAligner("x", [0.3])
    fine, failed = (alignment.align(clvits, other, case, 2, 3)
                    for case in ((1, 100, 500), (64, 100, 500)))
    other.durations = lambda: [1, 2, 3]
    wrong = alignment.align(clvits, other, (1, 100, 500), 2, 3)
    assert abs(fine["ratio"]["median"] - 3) < 1e-9 and fine["durations_equal"], fine
    assert fine["voice"] == "alignment, 100 x 500, 1 at once" and fine["device"] == "Made up"
    assert failed["failed"] == "no room" and "ratio" not in failed, failed
    assert wrong["wrong"] == "other durations" and "ratio" not in wrong, wrong
    with contextlib.redirect_stdout(io.StringIO()) as said:
        assert [alignment.show(r) for r in (fine, failed, wrong)] == [0, 3, 1]
    assert "3.00 times faster" in said.getvalue()
    assert max(items * text * frames for items, text, frames in alignment.CASES) <= 1 << 28


PROGRAM = """#!{python}
import os, pathlib, struct, sys
print("Made up with", os.environ["POCL_MAX_PTHREAD_COUNT"], "and", *sys.argv[2:], flush=True)
for line in sys.stdin:
    if line.startswith("go") and pathlib.Path(sys.argv[1]).exists():
        pathlib.Path(sys.argv[1]).unlink()
        sys.exit(7)
    if line.startswith("save"):
        pathlib.Path(line.split()[1]).write_bytes(struct.pack("4f", 0.5, -1, 0.25, 0))
    print("0.1 4 2 3" if line.startswith("go") else "ok", flush=True)
"""


def check_death():
    """When clvits's own program dies, that costs one row as well."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        program, dies = folder / "program", folder / "dies"
        program.write_text(PROGRAM.format(python=sys.executable))
        os.chmod(program, 0o755)
        dies.touch()
        clvits = race.Clvits(program, dies, "cpu", threads=1)
        assert clvits.device == "Made up with 1 and cpu 1", clvits.device
        failed, fine = race.race(clvits, [("x", which, lambda: Fake("x", [1])) for which in "ab"],
                                 CASE, 2, str(folder / "scratch"))
        clvits.close()
        assert "with code 7" in failed["failed"] and failed["settings"] == "a", failed
        assert abs(fine["ratio"]["median"] - 10) < 1e-9 and fine["settings"] == "b", fine


def check_aligner():
    """The program of alignment is started like the other one."""
    with tempfile.TemporaryDirectory() as name:
        program = pathlib.Path(name, "program")
        program.write_text(PROGRAM.format(python=sys.executable))
        os.chmod(program, 0o755)
        clvits = alignment.Clvits(program, "nowhere", "cpu", threads=3)
        assert clvits.device == "Made up with 3 and cpu 3", clvits.device
        clvits.close()


def check_searcher():
    """Devices are named as elsewhere, and align alike."""
    found = {}
    own = {name: value for name, value in os.environ.items() if not name.startswith("CLVITS_")}
    for device in "cpu", "opencl", "0", "cpu,no-such-device":
        done = subprocess.run([SEARCHER, device, "1"], input="case 2 30 90\ngo\ndurations\n",
                              env={**own, "CLVITS_CACHE": ""}, text=True, capture_output=True,
                              timeout=100, check=False)
        if "there is no OpenCL device on this machine" in done.stderr:
            continue
        assert (done.returncode == 1) == ("no-such-device" in device), done
        if done.returncode:
            assert 'no OpenCL device matches "no-such-device"' in done.stderr, done
        else:
            found[device] = done.stdout.splitlines()[3]
    assert sum(map(int, found["cpu"].split())) == 180 and len(set(found.values())) == 1, found


def check_append():
    """Results are added to a file; the same race again replaces the old one."""
    with tempfile.TemporaryDirectory() as name:
        path = pathlib.Path(name, "a.json")
        first = raced(("defaults", Fake("x", [0.2])), ("piper", Fake("x", [0.3])))
        race.append(path, first)
        assert json.loads(path.read_text())["format"] == "clvits-bench 1"
        path.write_text(json.dumps({**json.loads(path.read_text()), "results": [1]}))
        again = raced(("defaults", Fake("x", [0.4])))
        lost = {**raced(("piper", Fake("x", [1])))[0], "failed": "no such operator"}
        race.append(path, again)
        run = json.loads(path.read_text())
        assert run["results"] == [1], "what was there stays"
        assert [(p["settings"], round(p["ratio"]["median"])) for p in run["peers"]] == \
            [("piper", 3), ("defaults", 4)], run["peers"]
        del lost["ratio"]
        race.append(path, [lost])
        race.append(path, raced(("eager", Fake("x", [1], wave=(0.5, math.nan, 0.25, 0.0)))))
        run = json.loads(path.read_text(), parse_constant=lambda text: 1 / 0)
        assert [(p["settings"], "ratio" in p) for p in run["peers"]] == \
            [("defaults", True), ("piper", False), ("eager", False)], run["peers"]
        assert run["peers"][1]["failed"] == "no such operator" and run["peers"][2]["wrong"]
        assert [p.name for p in pathlib.Path(name).iterdir()] == ["a.json"]


def check_arguments():
    parsed = peers.parse(["--threads", "1,all,1", "--seconds", "1,5",
                          "--voices", "x-low,high,base,mms"])
    assert parsed.threads[0] == 1 and len(parsed.threads) == len(set(parsed.threads)) <= 2
    assert parsed.seconds == ["1", "5"] and parsed.voices == ["x-low", "high", "base", "mms"]
    assert peers.parse([]).seconds == ["1", "5", "30"]
    assert peers.parse([]).batch == [1] and peers.parse(["--batch", "1,16,1"]).batch == [1, 16]
    torch = peers.parse(["--torch", "--torch-device", "cuda", "--torch-dtype", "fp16"])
    assert (torch.torch_device, torch.torch_dtype) == ("cuda", "fp16")
    for wrong in (["--batch", "0"], ["--batch", "65"], ["--batch", "two"],
                  ["--torch-device", "cuda"], ["--torch-dtype", "fp16"],
                  ["--torch-device", "tpu", "--torch"], ["--torch-dtype", "fp64", "--torch"],
                  ["--alignment", "--torch"], ["--alignment", "--batch", "16"],
                  ["--voices", "huge"], ["--threads", "0"], ["--threads", "many"],
                  ["--seconds", "-1"], ["--pairs", "0"]):
        with contextlib.redirect_stderr(io.StringIO()) as said:
            try:
                peers.parse(wrong)
            except SystemExit as stop:
                assert stop.code == 2 and wrong[0] in said.getvalue(), wrong
            else:
                raise AssertionError(wrong)


def check_install():
    """What fails for a while is tried again; what is there is left alone."""
    with tempfile.TemporaryDirectory() as name, contextlib.redirect_stderr(io.StringIO()):
        folder = pathlib.Path(name)
        flaky = folder / "flaky.py"
        flaky.write_text("import pathlib, sys\np = pathlib.Path(sys.argv[1])\n"
                         "n = len(p.read_text()) if p.exists() else 0\n"
                         "p.write_text('x' * (n + 1))\nsys.exit(n < 2)\n")
        command = [sys.executable, str(flaky), str(folder / "count")]
        assert not peers.attempt(command, tries=2, rest=0)
        assert peers.attempt(command, tries=3, rest=0)
        assert (folder / "count").read_text() == "xxx"
        (folder / "runtimes-ready").touch()
        assert peers.install(folder, "runtimes", ["nothing"]) == folder / "bin" / "python"


def check_refusals():
    """What keeps a race from beginning is said in a line, with a code that means that alone."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        program = folder / "build" / "bench" / "peers" / "clvits-peer"
        program.parent.mkdir(parents=True)
        program.touch()
        files = {"list.json": "[1]", "other.json": '{"format": "x"}', "half.json": '{"format"',
                 "peers.json": '{"format": "clvits-bench 1", "peers": [1]}'}
        for file, text in files.items():
            (folder / file).write_text(text)
        (folder / "build" / "peers").touch() # where the work folder should be
        os.mkfifo(folder / "pipe")
        for file, word in (*((file, file) for file in files),
                           ("no/a.json", "no/a.json cannot be written: No such file or dir"),
                           ("list.json/a", "list.json/a cannot be "),
                           ("/dev/zero", "/dev/zero is there and is not a regular file\n"),
                           ("pipe", "pipe is there and is not a regular file\n"),
                           ("new.json", "peers cannot be made: File exists\n")):
            done = subprocess.run([sys.executable, PEERS, "--build", folder / "build",
                                   "--python", sys.executable, "--json", folder / file],
                                  text=True, capture_output=True, timeout=300, check=False)
            assert done.returncode == 3 and word in done.stderr, (file, done)
            assert done.stderr.startswith("peers: ") and done.stderr.count("\n") == 1, done
        assert not list(folder.glob("*.part")) and not (folder / "new.json").exists()
        done = subprocess.run([sys.executable, PEERS, "--build", folder / "build"], text=True,
                              capture_output=True, timeout=300, check=False,
                              env={**os.environ, "CLVITS_PEERS_READY": "1", "PYTHONPATH": name})
        assert done.returncode == 3 and "Traceback" not in done.stderr, done
        with contextlib.redirect_stderr(io.StringIO()) as said:
            assert peers.install(folder / "list.json" / "x", "runtimes", []) is None
        assert "no environment for packages" in said.getvalue()


def check_output():
    """Who reads the output may go away, and what is there may be a full disk."""
    with tempfile.TemporaryDirectory() as name:
        build = pathlib.Path(name)
        (build / "bench" / "peers").mkdir(parents=True)
        (build / "bench" / "peers" / "clvits-peer").touch()
        reader, writer = os.pipe()
        os.close(reader)
        with open(writer, "wb") as closed, open("/dev/full", "wb") as full:
            for output, said in ((closed, "standard output was closed by what reads it"),
                                 (full, "standard output cannot be written: No space left on "
                                        "device")):
                done = subprocess.run([sys.executable, PEERS, "--build", build], stdout=output,
                                      stderr=subprocess.PIPE, text=True, timeout=300, check=False)
                assert (done.returncode, done.stderr) == (3, f"peers: {said}\n"), done
        done = subprocess.run([sys.executable, PEERS, "--build", build, "--python", build / "none"],
                              capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 3 and done.stderr == \
            f"peers: {build / 'none'} cannot be run: No such file or directory\n", done


def check_full_disk():
    """What was there stays, and nothing beside it."""
    with tempfile.TemporaryDirectory() as name:
        path, link = pathlib.Path(name, "a.json"), pathlib.Path(name, "link.json")
        race.append(path, raced(("defaults", Fake("x", [0.2]))))
        before = path.read_text()
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (16, hard))
        more = raced(("piper", Fake("x", [0.2])))
        try:
            for write in race.check, lambda path: race.append(path, more):
                try:
                    write(path)
                except race.Failed as error:
                    assert str(error) == f"{path} cannot be written: File too large", error
                else:
                    raise AssertionError("it does not fit")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert path.read_text() == before and list(path.parent.iterdir()) == [path]
        link.symlink_to(path)
        race.append(link, raced(("piper", Fake("x", [0.2]))))
        assert link.is_symlink() and len(json.loads(path.read_text())["peers"]) == 2


def check_texts():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        assert peers.texts_of(folder, "medium", ["1"]) is None
        (folder / "medium.texts.json").write_text('{"rate": 4, "texts": {"1": [1, 2]}}')
        assert peers.texts_of(folder, "medium", ["1"]) is None, "the voice itself is missing"
        (folder / "medium.durations.onnx").touch()
        assert peers.texts_of(folder, "medium", ["1"])["rate"] == 4
        assert peers.texts_of(folder, "medium", ["1", "5"]) is None


for check in (check_ratios, check_disturbed, check_disagreement, check_failure, check_batch,
              check_runtimes, check_death, check_alignment, check_aligner, check_searcher,
              check_append, check_arguments, check_install, check_refusals, check_output,
              check_full_disk, check_texts):
    check()
    print(f"{check.__name__}: fine")
