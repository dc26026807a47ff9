// Memory between two pages that nobody may touch.
#pragma once
#include <stddef.h>

typedef struct {
  float *floats;
  size_t count;
  void *mapping;
  size_t mapped;
} guarded;

// `count` floats that end where the page behind begins or, `at_front`, begin where the page before ends; not initialised
// to anything in particular, but filled with `byte`. Ends the program where there is no memory.
guarded guarded_floats(size_t count, int at_front, int byte);
void guarded_free(guarded *memory);
