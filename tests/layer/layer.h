// SPDX-License-Identifier: MIT
//
// An OpenCL layer that stands between the loader and the driver, for tests: OPENCL_LAYERS names the
// module, which counts calls and objects, lets calls fail, and says of devices what it is told to.
//
// CLVITS_FAULTS says what, in entries separated by semicolons:
//   KIND:N        the Nth call of a kind fails, counted from 1
//   KIND:N+       it fails, and all after it
//   KIND:N=E      with OpenCL's error E instead of what the kind is best known for
//   KIND:N=crash  it ends the process, by a signal
//   KIND:N=exit   it ends the process, by exit(1)
//   crash=NAME    every launch of a kernel of that name ends it, by a signal
//   lost:N        after N launches, everything fails: the device is gone
//   buffer>BYTES  larger buffers cannot be had
//   name=TEXT, vendor=TEXT, driver=TEXT, version=TEXT, extensions=TEXT, platform=TEXT,
//   platform-version=TEXT
//                 what every device, or platform, says of itself
//   type=gpu      and that it is one
//   local=BYTES, group=N, alloc=BYTES, global=BYTES
//                 limits, which are then kept: local memory, work-items in a group, the largest
//                 buffer, all buffers together
//   like=mali, like=adreno
//                 all of these, as on such a phone
//   leaks         what is left of the objects at the process's end is told, with exit code 86
// A KIND is buffer, build, program, kernel, argument, launch, read, write, copy, fill, map, flush,
// finish, context, queue, record, or any: of all these. Launches that are recorded in a command
// buffer are of kind record, as its beginning and end are; what replays them is one launch.
// Extensions that are faked are all of version 1.0.0.
#ifndef CLVITS_TESTS_LAYER_H
#define CLVITS_TESTS_LAYER_H

/**
 * A test finds these with dlsym(): it changes faults without starting anew. Setting them begins
 * all counts of calls again.
 *
 * @param text  as CLVITS_FAULTS; NULL: none
 * @return 0, or -1 when the text makes no sense: nothing is then set
 */
typedef int (*layer_set_fn)(const char *text);
int clvits_layer_set(const char *text);

/** Calls of a kind since the faults were set; -1 for what is no kind. */
typedef long (*layer_calls_fn)(const char *kind);
long clvits_layer_calls(const char *kind);

/** Objects of all kinds that were made and not released; text receives them by kind. */
typedef long (*layer_live_fn)(char *text, unsigned long size);
long clvits_layer_live(char *text, unsigned long size);

#endif
