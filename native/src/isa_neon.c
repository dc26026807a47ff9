// Kernels for 64-bit Arm.
#if defined(__aarch64__)
#include "vector_neon.h"

#include "functions.h"
#include "plain.h"
#include "pointwise.h"
#include "scale.h"

// The operators' kernels: what is NULL is not there.
const gnl_kernels gnl_neon = {
    .name = "neon",
    .block = 0,
    .plain = &plain_kernels,
    .blocked = NULL,
    .pointwise = &pointwise_kernels,
    .scale = scale,
};
#endif
