#include "memory.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

enum { ALIGNMENT = 64, SPARE = 16 };
static const size_t MOST = (size_t)1 << 31;

static _Atomic(void *) spare[SPARE];
static atomic_int nodes;

void *gnl_allocate(size_t bytes) {
  if (bytes > MOST) return NULL;
  return aligned_alloc(ALIGNMENT, (bytes + ALIGNMENT) / ALIGNMENT * ALIGNMENT);
}

// A buffer has its size in the bytes before it.
static size_t *size_of(void *buffer) { return (size_t *)((char *)buffer - ALIGNMENT); }

static void release(void *buffer) {
  if (buffer != NULL) free(size_of(buffer));
}

static void *make(size_t bytes) {
  if (bytes > MOST) return NULL;
  char *start = gnl_allocate(bytes + ALIGNMENT);
  if (start == NULL) return NULL;
  *(size_t *)start = bytes;
  return start + ALIGNMENT;
}

void *gnl_borrow(size_t bytes) {
  for (int i = 0; i < SPARE; i++) {
    void *buffer = atomic_exchange(&spare[i], NULL);
    if (buffer == NULL) continue;
    if (*size_of(buffer) >= bytes) return buffer;
    release(buffer);
    break;
  }
  return make(bytes);
}

void gnl_return(void *buffer) {
  for (int i = 0; i < SPARE && buffer != NULL; i++) {
    void *none = NULL;
    if (atomic_compare_exchange_strong(&spare[i], &none, buffer)) return;
  }
  release(buffer);
}

void gnl_node_lives(void) { atomic_fetch_add(&nodes, 1); }

void gnl_node_dies(void) {
  if (atomic_fetch_sub(&nodes, 1) != 1) return;
  for (int i = 0; i < SPARE; i++) release(atomic_exchange(&spare[i], NULL));
}
