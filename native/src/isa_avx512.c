// Kernels for x86-64 with AVX-512.
#if defined(__x86_64__)
#include "vector_avx512.h"

#include "blocked.h"
#include "plain.h"
#include "pointwise.h"
#include "scale.h"

// The operators' kernels: what is NULL is not there.
const gnl_kernels gnl_avx512 = {
    .name = "avx512",
    .block = 16,
    .plain = &plain_kernels,
    .blocked = &blocked_kernels,
    .pointwise = &pointwise_kernels,
    .scale = scale,
};
#endif
