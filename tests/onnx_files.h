// SPDX-License-Identifier: MIT
#ifndef CLVITS_TESTS_ONNX_FILES_H
#define CLVITS_TESTS_ONNX_FILES_H

#include "io/onnx.h"
#include "onnx.pb-c.h"

typedef Clvits__Onnx__Model model_message;
typedef Clvits__Onnx__Graph graph_message;
typedef Clvits__Onnx__Node node_message;
typedef Clvits__Onnx__Tensor tensor_message;
typedef Clvits__Onnx__Attribute attribute_message;

enum { N_VOICES = 2 };
extern const char *const onnx_voices[N_VOICES];

/** Fixture: files_close() and the memory of the messages. */
void onnx_close(void);

/** The path of a file of a golden voice; valid until the second call after this one. */
const char *onnx_golden(const char *voice, const char *name);

/** A golden voice as a message to change; its memory and what is added to it is onnx_close()'s. */
model_message *onnx_parse(const char *voice);

/** Write a message into the test's folder and return its path. */
const char *onnx_write(const model_message *m);

/** Zeroed memory, a copy of a text, and a copy of a list with room for one more. */
void *onnx_alloc(size_t size);
char *onnx_text(const char *s);
void *onnx_grow(const void *list, size_t count, size_t size);

/** The initializer of that name, or NULL. */
tensor_message *onnx_initializer(graph_message *g, const char *name);

/** The node of that name, which must be there. */
node_message *onnx_node(graph_message *g, const char *name);

/** What a reader is given to fill. */
clvits_config onnx_defaults(void);

/** Open a file and compare it, tensor by tensor, with what PyTorch has in a golden voice. */
void onnx_check(const char *path, const char *voice, double tolerance);

#endif
