#include "threads.h"

OrtStatus *gnl_for_each(const gnl_node *node, const OrtKernelContext *context, void (*function)(void *, size_t),
                        size_t items, void *job) {
  if (node->parallel && items > 1) return node->api->KernelContext_ParallelFor(context, function, items, 0, job);
  for (size_t item = 0; item < items; item++) function(job, item);
  return NULL;
}
