# SPDX-License-Identifier: MIT
"""Alignment search against the Cython search of the package monotonic-alignment-search."""
import importlib.machinery
import importlib.metadata
import importlib.util
import time
from pathlib import Path

import race

PACKAGE = "monotonic-alignment-search"

# Items, columns of the text, frames. Of the largest, 64 at once would take 4 GB for the values
# alone, and the other side three times that.
CASES = [(items, text, frames)
         for text, frames in ((100, 500), (500, 2500), (1000, 4000), (2000, 8000))
         for items in (1, 16, 64) if items * text * frames <= 1 << 28]


class Clvits(race.Clvits):
    """The program clvits-search-peer."""

    def set_case(self, items, text, frames):
        self.ask(f"case {items} {text} {frames}")

    def durations(self):
        self.ask("go")
        return [int(word) for word in self.ask("durations").split()]


def values_of(items, text, frames):
    """Values from -1 to 1 by their place in (items, frames, text); as clvits-search-peer has them,
    but as the package wants them: (items, text, frames)."""
    import numpy as np
    out = np.empty((items, text, frames), np.float32)
    for item in range(items):
        place = np.arange(item * frames * text, (item + 1) * frames * text, dtype=np.uint32)
        mixed = place * np.uint32(2654435761)
        mixed = (mixed ^ (mixed >> np.uint32(15))) * np.uint32(2246822519)
        mixed ^= mixed >> np.uint32(13)
        value = (mixed >> np.uint32(8)).astype(np.float32) / np.float32(8388608) - np.float32(1)
        out[item] = value.reshape(frames, text).T
    return out


class Cython:
    """The compiled search alone: what prepares its arrays is not timed. It overwrites its values,
    and runs on one thread as the package builds it."""

    def __init__(self):
        self.version = importlib.metadata.version(PACKAGE)
        # The package itself imports PyTorch, for which the search has no use.
        name = PACKAGE.replace("-", "_")
        folder = Path(next(iter(importlib.util.find_spec(name).submodule_search_locations)))
        path = next(p for suffix in importlib.machinery.EXTENSION_SUFFIXES
                    for p in folder.glob("core*" + suffix))
        spec = importlib.util.spec_from_file_location(f"{name}.core", path)
        self.core = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.core)

    def set_case(self, items, text, frames):
        import numpy as np
        self.values = values_of(items, text, frames)
        self.work, self.paths = np.empty_like(self.values), np.zeros_like(self.values, np.int32)
        self.lengths = (np.full(items, text, np.int32), np.full(items, frames, np.int32))

    def go(self):
        self.work[:] = self.values
        self.paths[:] = 0
        start = time.perf_counter()
        self.core.maximum_path_c(self.paths, self.work, *self.lengths)
        return time.perf_counter() - start

    def durations(self):
        self.go()
        return self.paths.sum(axis=2).ravel().tolist()


def align(clvits, other, case, threads, count):
    """A result for one case."""
    items, text, frames = case
    about = {"peer": PACKAGE, "voice": f"alignment, {text} x {frames}, {items} at once",
             "random": True, "threads": threads, "device": clvits.device, "version": other.version}
    try:
        for side in (clvits, other):
            side.set_case(*case)
        if clvits.durations() != other.durations():
            return {**about, "durations_equal": False, "wrong": "other durations"}
        return {**about, "durations_equal": True, **race.pairs(clvits, other, count)}
    except Exception as error:  # memory, or whatever a foreign package raises
        reason = (str(error).strip() or type(error).__name__).split("\n")[0]
        return {**about, "failed": reason[:300]}


def show(result):
    head = f"{result['voice']}, {result['threads']} thread(s): "
    if "failed" in result:
        race.say(f"{head}could not run: {result['failed']}")
        return 3
    if "wrong" in result:
        race.say(f"{head}NOT THE SAME: {result['wrong']}")
        return 1
    race.say(f"{head}clvits {1e3 * result['clvits']['median']:.3f} ms, {result['peer']} "
             f"{result['version']} {1e3 * result['other']['median']:.3f} ms; {race.shown(result)}")
    return 0


def run(arguments):
    codes, other = {0}, Cython()
    for threads in arguments.threads:
        for case in CASES:
            clvits = Clvits(arguments.searcher, arguments.device, threads=threads)
            result = align(clvits, other, case, threads, arguments.pairs)
            clvits.close()
            codes.add(show(result))
            if arguments.json:
                race.append(arguments.json, [result])
    return 1 if 1 in codes else max(codes)
