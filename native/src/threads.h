// One function over many items, by the runtime's threads where it lends them.
#pragma once
#include "operator.h"

OrtStatus *gnl_for_each(const gnl_node *, const OrtKernelContext *, void (*function)(void *job, size_t item),
                        size_t items, void *job);
