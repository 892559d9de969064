# SPDX-License-Identifier: MIT
"""Finds the compilers that run without a GPU, and asks them about a program."""
import functools
import pathlib
import re
import shutil
import subprocess
import tempfile

import parse

LIMIT = 300  # seconds of a compiler at most
AMD_LIBRARIES = ("/usr/lib/x86_64-linux-gnu/amdgcn/bitcode", "/usr/lib/amdgcn/bitcode",
                 "/opt/rocm/amdgcn/bitcode")
NVIDIA_LIBRARY = "/usr/lib/clc/nvptx64--nvidiacl.bc"
OLDEST_CLANG = 15  # whose bitcode the libraries above are


class Missing(Exception):
    """A compiler that is not here, or does not work; the text says which package has it."""


class Refused(Exception):
    """A compiler's errors."""


def run(command, folder=None):
    """What a command printed; Refused when it failed."""
    try:
        done = subprocess.run(command, text=True, errors="replace", stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=LIMIT, check=False, cwd=folder)
    except subprocess.TimeoutExpired as error:
        raise Refused(f"no result after {LIMIT} s") from error
    except OSError as error:
        raise Refused(f"{command[0]} cannot be run: {error.strerror}") from error
    if done.returncode:
        raise Refused(done.stdout.strip() or f"exit code {done.returncode}")
    return done.stdout


def asked(command, pattern, package):
    """A version by what a compiler prints about itself; Missing where it prints none."""
    try:
        printed = run(command)
    except Refused as error:
        raise Missing(f"a {package} that works: {command[0]} fails: {error}") from error
    found = re.search(pattern, printed)
    if not found:
        raise Missing(f"a {package} that works: {command[0]} names no version")
    return found[1]


@functools.cache
def clang():
    """The oldest clang that works and reads the device libraries, and its version."""
    names = [f"clang-{n}" for n in range(OLDEST_CLANG, 30)] + ["clang"]
    for path in filter(None, map(shutil.which, names)):
        try:
            number = asked([path, "--version"], r"version (\d+[0-9.]*)", "clang")
        except Missing:
            continue
        if int(number.partition(".")[0]) >= OLDEST_CLANG:
            return path, number
    raise Missing(f"clang {OLDEST_CLANG} or later (Debian: clang-{OLDEST_CLANG})")


def clang_command(target, out):
    """Everything becomes one function, as the drivers' own compilers make it."""
    return [clang()[0], "-x", "cl", "-cl-std=CL1.2", "-O3", "-mllvm", "-inline-threshold=100000",
            "-S", "-o", str(out), "-Xclang", "-finclude-default-header", "-target", target]


def link(files):
    words = []
    for file in files:
        words += ["-Xclang", "-mlink-builtin-bitcode", "-Xclang", str(file)]
    return words


@functools.cache
def amd_libraries():
    for folder in map(pathlib.Path, AMD_LIBRARIES):
        if (folder / "ocml.bc").exists():
            return folder
    raise Missing("AMD's device libraries (Debian: rocm-device-libs)")


def amd_options(name):
    """The device libraries for a target. Where they are older than the target, those of the
    newest one they know: they differ in a few constants."""
    folder = amd_libraries()
    known = sorted(p.stem.removeprefix("oclc_isa_version_")
                   for p in folder.glob("oclc_isa_version_1*.bc"))
    if (folder / f"oclc_isa_version_{name.removeprefix('gfx')}.bc").exists():
        return [f"--rocm-device-lib-path={folder}"]
    if not known:
        raise Missing(f"AMD's device libraries for any target in {folder} (Debian: "
                      "rocm-device-libs)")
    parts = ("opencl", "ocml", "ockl", f"oclc_isa_version_{known[-1]}", "oclc_abi_version_400",
             "oclc_correctly_rounded_sqrt_off", "oclc_daz_opt_off", "oclc_finite_only_off",
             "oclc_unsafe_math_off", "oclc_wavefrontsize64_off")
    return ["-nogpulib", *link(folder / f"{part}.bc" for part in parts)]


def amd(target, source, options, folder):
    out = folder / "kernel.s"
    # Only kernels are seen from outside, so what is inlined into them need not be kept.
    run([*clang_command("amdgcn-amd-amdhsa", out), f"-mcpu={target.name}", "-mllvm",
         "-amdgpu-internalize-symbols", *amd_options(target.name), *options, str(source)])
    return parse.amd(out.read_text(encoding="utf-8"))


@functools.cache
def ptxas():
    return shutil.which("ptxas") or shutil.which("ptxas", path="/usr/local/cuda/bin")


def nvidia_library():
    if not pathlib.Path(NVIDIA_LIBRARY).exists():
        raise Missing(f"libclc for NVIDIA (Debian: libclc-{OLDEST_CLANG})")
    return NVIDIA_LIBRARY


def nvidia(target, source, options, folder):
    out = folder / "kernel.ptx"
    run([*clang_command("nvptx64-unknown-nvidiacl", out), f"-march={target.ptx or target.name}",
         *link([nvidia_library()]), *options, str(source)])
    if not ptxas():
        return parse.ptx(out.read_text(encoding="utf-8"))
    return parse.ptxas(run([ptxas(), "-v", f"-arch={target.name}", str(out), "-o",
                            str(folder / "kernel.cubin")]))


@functools.cache
def ocloc():
    found = shutil.which("ocloc")
    if not found:
        raise Missing("ocloc (Debian: intel-opencl-icd; elsewhere intel-ocloc)")
    return found


def intel(target, source, options, folder):
    log = run([ocloc(), "compile", "-file", str(source), "-device", target.name, "--format",
               "zebin", "-options", " ".join(["-cl-std=CL1.2", *options]), "-output", "kernel",
               "-out_dir", str(folder)])
    binary = next(folder.glob("kernel*.bin"), None)
    if not binary:
        raise Refused(log.strip() or "ocloc wrote nothing")
    return parse.intel(parse.ze_info(binary.read_bytes()), log)


@functools.cache
def spirv_tools():
    """A clang and the translator of its bitcode, the last ones whose pointers have types; and the
    validator."""
    tools = {"clang-14": "clang-14", "llvm-spirv-14": "llvm-spirv-14", "spirv-val": "spirv-tools"}
    for tool, package in tools.items():
        if not shutil.which(tool):
            raise Missing(f"{tool} (Debian: {package})")
    return "clang-14", "llvm-spirv-14"


def spirv(_, source, options, folder):
    """The program as SPIR-V 1.2 that its validator takes."""
    clang_path, translator = spirv_tools()
    bitcode, out = folder / "kernel.bc", folder / "kernel.spv"
    # The translator knows no instruction that optimising brings in.
    run([clang_path, "-x", "cl", "-cl-std=CL1.2", "-target", "spir64", "-O1", "-Xclang",
         "-disable-llvm-passes", "-Xclang", "-finclude-default-header", "-emit-llvm", "-c", "-o",
         str(bitcode), *options, str(source)])
    run([translator, "--spirv-max-version=1.2", str(bitcode), "-o", str(out)])
    run(["spirv-val", "--target-env", "opencl2.2", str(out)])
    return parse.spirv(run(["spirv-dis", str(out)]))


MAKERS = {"amd": amd, "intel": intel, "khronos": spirv, "nvidia": nvidia}


@functools.cache
def ocloc_version():
    """ocloc answers in a file of the folder it runs in."""
    with tempfile.TemporaryDirectory(prefix="kernel-report-") as folder:
        try:
            run([ocloc(), "query", "OCL_DRIVER_VERSION"], folder)
        except Refused as error:
            raise Missing(f"an ocloc that works: {ocloc()} fails: {error}") from error
        answer = pathlib.Path(folder, "OCL_DRIVER_VERSION")
        text = answer.read_text(encoding="utf-8", errors="replace") if answer.exists() else ""
        return f"ocloc {text}".strip(" \0\n")


def version(target):
    """Who compiles for a target; Missing when nobody is here."""
    if target.maker == "intel":
        return ocloc_version()
    if target.maker == "khronos":
        return "llvm-spirv " + asked([spirv_tools()[1], "--version"], r"LLVM version ([0-9.]+)",
                                     "llvm-spirv")
    text = f"clang {clang()[1]}"
    if target.maker == "amd":
        amd_options(target.name)
        return text
    nvidia_library()
    if not ptxas():
        return f"{text} (PTX only, no registers: ptxas of the CUDA toolkit is missing)"
    return f"{text} and ptxas {asked([ptxas(), '--version'], r'V([0-9.]+)', 'ptxas')}"


def compile_program(target, text, options):
    """{kernel: figures} of a program's text; Missing, Refused or parse.Unreadable."""
    with tempfile.TemporaryDirectory(prefix="kernel-report-") as name:
        folder = pathlib.Path(name)
        source = folder / "source.cl"
        source.write_text(text, encoding="utf-8")
        return MAKERS[target.maker](target, source, options, folder)
