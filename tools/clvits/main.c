// SPDX-License-Identifier: MIT
#include "program.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

const char program_name[] = "clvits";

static const char help[] =
    "usage: clvits COMMAND [OPTION]...\n"
    "\n"
    "VITS text-to-speech on any OpenCL device, with the CPU behind it.\n"
    "\n"
    "commands:\n"
    "  speak    turn text into speech\n"
    "  devices  list the OpenCL devices\n"
    "  info     say what a voice is\n"
    "  convert  write a voice as one file, or as a Hugging Face folder\n"
    "  align    find where the words of a text are in a recording of it\n"
    "  revoice  say what one speaker said in the voice of another\n"
    "  check    compare every operator on a device with the CPU\n"
    "\n"
    "  clvits COMMAND --help   says more about one\n"
    "  clvits --version        prints the version\n"
    "\n"
    "  clvits speak -o hello.wav \"Hello, world!\"\n"
    "\n" PROGRAM_CODES;

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {
    { "speak", command_speak },
    { "devices", command_devices },
    { "info", command_info },
    { "convert", command_convert },
    { "align", command_align },
    { "revoice", command_revoice },
    { "check", command_check },
};

/* What is opened later must not take the place of a standard stream that is closed. */
static void fill_streams(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            (void)!open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY); /* still fails when used */
}

static int show(const char *text)
{
    fputs(text, stdout);
    return program_flush();
}

int main(int argc, char **argv)
{
    fill_streams();
    signal(SIGPIPE, SIG_IGN); /* seen as failed writes instead, like the limit on file sizes */
    signal(SIGXFSZ, SIG_IGN);

    if (argc < 2)
        return program_fail(CODE_USAGE, "no command; \"clvits --help\" lists them");
    const char *name = argv[1];
    if (!strcmp(name, "--help") || !strcmp(name, "-h"))
        return show(help);
    if (!strcmp(name, "--version"))
        return program_print_version(), program_flush();
    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
        if (!strcmp(name, commands[i].name)) {
            const int code = commands[i].run(argc - 2, argv + 2);
            return code == CODE_OK ? program_flush() : code;
        }
    return program_fail(CODE_USAGE, "unknown command \"%s\"; there are speak, devices, info, "
                                    "convert, align, revoice and check", name);
}
