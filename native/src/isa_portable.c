// Kernels for any processor.
#include "vector_portable.h"

#include "functions.h"

// The operators' kernels: what is NULL is not there.
const gnl_kernels gnl_portable = {
    .name = "portable",
    .block = 0,
    .plain = NULL,
    .blocked = NULL,
    .pointwise = NULL,
    .scale = NULL,
};
