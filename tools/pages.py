# SPDX-License-Identifier: MIT
"""Pages in which scripts replace what stands between two marks."""
import errno
import os
import pathlib
import shutil


class Failed(Exception):
    """What is wrong with a file, in words."""


def text_of(path):
    """What a file says; a device might not end."""
    path = pathlib.Path(path)
    try:
        if path.exists() and not path.is_file():
            raise Failed(f"{path} is there and is not a regular file")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise Failed(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeError as error:
        raise Failed(f"{path} is no text") from error


def write_text(path, text):
    """All of it, or nothing changes; a link stays one."""
    target = pathlib.Path(os.path.realpath(path))
    part = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        if target.exists() and not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        try:
            part.write_text(text, encoding="utf-8")
            if target.exists():
                shutil.copymode(target, part)
            os.replace(part, target)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise Failed(f"{path} cannot be written: {error.strerror}") from error


def parted(path, begin, end):
    """What stands before a mark, between it and another, and behind that."""
    before, found, rest = text_of(path).partition(begin)
    inside, ended, after = rest.partition(end)
    if not found or not ended:
        raise Failed(f"{path}: no place between {begin} and {end}")
    return before, inside, after


def between(path, begin, end):
    return parted(path, begin, end)[1]


def write_between(path, begin, table, end):
    before, _, after = parted(path, begin, end)
    write_text(path, f"{before}{begin}\n{table}\n{end}{after}")
