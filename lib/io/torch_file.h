// SPDX-License-Identifier: MIT
//
// Seen by lib/io/torch*.c alone.
#ifndef CLVITS_IO_TORCH_FILE_H
#define CLVITS_IO_TORCH_FILE_H

#include "io/torch.h"

struct clvits_torch {
    clvits_file file;
    clvits_pickle pickle;
    clvits_value root;
};

#endif
