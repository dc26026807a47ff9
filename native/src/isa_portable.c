// Kernels for any processor.
#include "vector_portable.h"

#include "functions.h"
#include "plain.h"
#include "pointwise.h"
#include "scale.h"

// The operators' kernels: what is NULL is not there.
const gnl_kernels gnl_portable = {
    .name = "portable",
    .block = 0,
    .plain = &plain_kernels,
    .blocked = NULL,
    .pointwise = &pointwise_kernels,
    .scale = scale,
};
