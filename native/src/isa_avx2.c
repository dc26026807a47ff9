// Kernels for x86-64 with AVX2 and FMA.
#if defined(__x86_64__)
#include "vector_avx2.h"

#include "blocked.h"
#include "plain.h"
#include "pointwise.h"
#include "scale.h"

// The operators' kernels: what is NULL is not there.
const gnl_kernels gnl_avx2 = {
    .name = "avx2",
    .block = 8,
    .plain = &plain_kernels,
    .blocked = &blocked_kernels,
    .pointwise = &pointwise_kernels,
    .scale = scale,
};
#endif
