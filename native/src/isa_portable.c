// Kernels for any processor.
#include "vector_portable.h"

#include "blocked.h"
#include "plain.h"
#include "pointwise.h"
#include "scale.h"

// The operators' kernels: what is NULL is not there.
const gnl_kernels gnl_portable = {
    .name = "portable",
    .block = 4,
    .plain = &plain_kernels,
    .blocked = &blocked_kernels,
    .pointwise = &pointwise_kernels,
    .scale = scale,
};
