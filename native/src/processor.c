// Which kernels this processor runs best.
#include <stdlib.h>
#include <string.h>

#include "groupnl_native.h"

#if defined(__x86_64__)
#include <cpuid.h>

enum { AVX_STATE = 0x6, AVX512_STATE = 0xe6 };  // registers that the operating system keeps

typedef struct { unsigned eax, ebx, ecx, edx; } registers;

static registers cpuid(unsigned leaf) {
  registers r = {0, 0, 0, 0};
  if (!__get_cpuid_count(leaf, 0, &r.eax, &r.ebx, &r.ecx, &r.edx)) return (registers){0, 0, 0, 0};
  return r;
}

static int all(unsigned word, unsigned bits) { return (word & bits) == bits; }

static unsigned kept_state(void) {
  if (!all(cpuid(1).ecx, bit_OSXSAVE)) return 0;
  unsigned low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

// All of x86-64-v3, for the compiler may use any of it.
static int has_avx2(void) {
  return all(kept_state(), AVX_STATE) && all(cpuid(1).ecx, bit_AVX | bit_FMA | bit_F16C | bit_MOVBE) &&
         all(cpuid(7).ebx, bit_AVX2 | bit_BMI | bit_BMI2) && all(cpuid(0x80000001).ecx, bit_LZCNT);
}

// All of x86-64-v4.
static int has_avx512(void) {
  return has_avx2() && all(kept_state(), AVX512_STATE) &&
         all(cpuid(7).ebx, bit_AVX512F | bit_AVX512BW | bit_AVX512CD | bit_AVX512DQ | bit_AVX512VL);
}
#endif

enum { MOST_KERNELS = 3 };

// Best first.
static int available(const gnl_kernels *found[MOST_KERNELS]) {
  int count = 0;
#if defined(__x86_64__)
  if (has_avx512()) found[count++] = &gnl_avx512;
  if (has_avx2()) found[count++] = &gnl_avx2;
#elif defined(__aarch64__)
  found[count++] = &gnl_neon;
#endif
  found[count++] = &gnl_portable;
  return count;
}

const gnl_kernels *gnl_named(const char *name) {
  const gnl_kernels *found[MOST_KERNELS];
  const int count = available(found);
  for (int i = 0; name != NULL && i < count; i++)
    if (strcmp(found[i]->name, name) == 0) return found[i];
  return NULL;
}

const gnl_kernels *gnl_best(void) {
  const gnl_kernels *asked = gnl_named(getenv("GROUPNL_NATIVE_ISA")), *found[MOST_KERNELS];
  available(found);
  return asked != NULL ? asked : found[0];
}
