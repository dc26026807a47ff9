#define _GNU_SOURCE
#include "guarded.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

guarded guarded_floats(size_t count, int at_front, int byte) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes = count * sizeof(float), inside = (bytes + page - 1) / page * page;
  guarded memory = {.count = count, .mapped = inside + 2 * page};
  char *all = mmap(NULL, memory.mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (all == MAP_FAILED || (inside && mprotect(all + page, inside, PROT_READ | PROT_WRITE))) {
    perror("no memory between guard pages");
    exit(2);
  }
  memory.mapping = all;
  memory.floats = (float *)(all + page + (at_front ? 0 : inside - bytes));
  if (inside) memset(all + page, byte, inside);
  return memory;
}

void guarded_free(guarded *memory) { munmap(memory->mapping, memory->mapped); }
