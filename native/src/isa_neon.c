// Kernels for 64-bit Arm.
#if defined(__aarch64__)
#include "vector_neon.h"

#include "blocked.h"
#include "plain.h"
#include "pointwise.h"
#include "scale.h"

// The operators' kernels: what is NULL is not there.
const gnl_kernels gnl_neon = {
    .name = "neon",
    .block = 4,
    .plain = &plain_kernels,
    .blocked = &blocked_kernels,
    .pointwise = &pointwise_kernels,
    .scale = scale,
};
#endif
