// Random layers by themselves, as ncnn's package calls them: with gaps between planes and on several threads they must
// give the bits of the kernels; what no layer can be must be refused.
//   fuzz_alone SEED COUNT INSTRUCTION_SET [plain|blocked]
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guarded.h"
#include "random_layer.h"

int groupnl_layer_block(void);
size_t groupnl_layer_floats(const gnl_layer *, const char **why);
void *groupnl_layer_new(const gnl_layer *, const float *constants, const char **why);
void groupnl_layer_free(void *);
int groupnl_layer_size(const void *, int height, int width, int out[2]);
int groupnl_layer_run(const void *, void (*together)(void (*)(void *), void *, unsigned, unsigned), unsigned threads,
                      const float *x, size_t x_step, int height, int width, float *y, size_t y_step);

enum { THREADS = 3, WRONG_SIZE = 2 };

typedef struct { void (*function)(void *); void *job; } share;

static void *begin(void *given) {
  const share *s = given;
  s->function(s->job);
  return NULL;
}

// As OpenMP does: the function on each of so many threads.
static void together(void (*function)(void *), void *job, unsigned threads, unsigned flags) {
  pthread_t others[THREADS];
  share s = {function, job};
  (void)flags;
  for (unsigned i = 1; i < threads; i++)
    if (pthread_create(&others[i], NULL, begin, &s)) abort();
  function(job);
  for (unsigned i = 1; i < threads; i++) pthread_join(others[i], NULL);
}

static size_t padded(int channels, int block) { return block ? (size_t)(channels + block - 1) / block : (size_t)channels; }

static guarded kernels_own(const gnl_kernels *set, const gnl_layer *l, const gnl_size *size, const float *constants, const float *x) {
  const gnl_layer_kernels *kernels = l->block ? set->blocked : set->plain;
  const size_t filters = l->given ? 0 : (size_t)l->seeds * l->inputs * l->window.height * l->window.width;
  const float *seed = constants + filters, *generated = l->channels > l->seeds ? seed + (size_t)GNL_SEED_ROWS * l->seeds : NULL;
  guarded packed = guarded_floats(kernels->packed_floats(l), 0, 0xff);
  kernels->pack(l, l->given ? NULL : constants, seed, generated, packed.floats);
  gnl_size banded = *size;
  banded.bands = kernels->bands(l, size);
  const size_t unit = l->block ? l->block : 1;
  guarded y = guarded_floats(padded(l->channels, l->block) * unit * size->out_height * size->out_width, 0, 0xff);
  guarded scratch = guarded_floats(kernels->scratch_bytes(l, &banded) / sizeof(float), 0, 0x7f);
  for (int band = 0; band < banded.bands; band++)
    kernels->band(l, &banded, packed.floats, x, y.floats, band, scratch.floats, NULL);
  guarded_free(&packed), guarded_free(&scratch);
  return y;
}

// Planes (or blocks of them) with a gap behind each, filled with what must not be read or written.
static guarded apart(const float *dense, size_t planes, size_t floats, size_t step) {
  guarded made = guarded_floats(planes ? (planes - 1) * step + floats : 0, 0, 0xff);
  for (size_t i = 0; i < planes; i++) memcpy(made.floats + i * step, dense + i * floats, floats * sizeof(float));
  return made;
}

static int differs(const float *found, size_t step, const float *right, size_t planes, size_t floats) {
  for (size_t i = 0; i < planes; i++)
    if (memcmp(found + i * step, right + i * floats, floats * sizeof(float))) return 1;
  for (size_t i = 0; i + 1 < planes; i++)  // in the gaps everything is as it was
    for (const unsigned char *at = (const unsigned char *)(found + i * step + floats); at < (const unsigned char *)(found + (i + 1) * step); at++)
      if (*at != 0xff) return 1;
  return 0;
}

static int wrong(const char *what, const gnl_layer *l, const gnl_size *size) {
  printf("WRONG %s: ", what);
  print_layer(l, size);
  return 1;
}

static int check_runs(const void *layer, const gnl_layer *l, const gnl_size *size, const guarded *x, const guarded *right) {
  const size_t unit = l->block ? l->block : 1;
  const size_t in = (size_t)size->in_height * size->in_width * unit, out = (size_t)size->out_height * size->out_width * unit;
  const size_t inputs = padded(l->seeds * l->inputs, l->block), outputs = padded(l->channels, l->block);
  for (unsigned threads = 1; threads <= THREADS; threads++) {
    const size_t x_step = in + (l->block ? 0 : random_below(4)), y_step = out + (l->block ? 0 : random_below(4));
    guarded from = apart(x->floats, inputs, in, x_step);
    guarded into = guarded_floats((outputs - 1) * y_step + out, 0, 0xff);
    const int failed = groupnl_layer_run(layer, threads > 1 ? together : NULL, threads, from.floats, x_step,
                                         size->in_height, size->in_width, into.floats, y_step);
    const int bad = failed || differs(into.floats, y_step, right->floats, outputs, out);
    guarded_free(&from), guarded_free(&into);
    if (bad) return wrong(failed ? "it does not run" : "an output", l, size);
  }
  if (groupnl_layer_run(layer, NULL, 1, x->floats, in - 1, size->in_height, size->in_width, right->floats, out) != WRONG_SIZE)
    return wrong("a step that is too short is taken", l, size);
  return 0;
}

static int one_layer(const gnl_kernels *set, int block) {
  gnl_layer l;
  gnl_size size;
  const char *why = NULL;
  do random_layer(block, &l, &size);
  while (!groupnl_layer_floats(&l, &why));  // windows that pad more than they reach over are refused
  const size_t unit = block ? block : 1;
  guarded constants = random_floats(groupnl_layer_floats(&l, &why), 1);
  guarded x = random_image(padded(l.seeds * l.inputs, block) * unit * size.in_height * size.in_width);
  guarded right = kernels_own(set, &l, &size, constants.floats, x.floats);
  void *layer = groupnl_layer_new(&l, constants.floats, &why);
  int out[2] = {0, 0};
  int bad = layer == NULL ? wrong(why, &l, &size) : 0;
  if (!bad && (!groupnl_layer_size(layer, size.in_height, size.in_width, out) || out[0] != size.out_height || out[1] != size.out_width))
    bad = wrong("its size", &l, &size);
  bad = bad || check_runs(layer, &l, &size, &x, &right);
  groupnl_layer_free(layer);
  guarded_free(&constants), guarded_free(&x), guarded_free(&right);
  return bad;
}

// One number of a true layer is another: it is refused with a reason, or it is a layer whose constants fit in a memory.
static int one_lie(int block) {
  static const int odd[] = {0, -1, 1 << 14, (1 << 14) + 1, 1 << 20, (1 << 20) + 1, 0x7fffffff, -0x7fffffff - 1};
  gnl_layer l;
  gnl_size size;
  random_layer(block, &l, &size);
  int *const fields[] = {&l.seeds, &l.inputs, &l.channels, &l.nl_groups, &l.function, &l.activation, &l.normalize, &l.given,
                         &l.block, &l.apart, &l.window.height, &l.window.width, &l.window.stride_y, &l.window.stride_x,
                         &l.window.dilation_y, &l.window.dilation_x, &l.window.pad_top, &l.window.pad_left,
                         &l.window.pad_bottom, &l.window.pad_right};
  *fields[random_below(sizeof fields / sizeof *fields)] = odd[random_below(sizeof odd / sizeof *odd)];
  const char *why = NULL;
  const size_t floats = groupnl_layer_floats(&l, &why);
  if (floats == 0) return why == NULL ? wrong("it is refused without a reason", &l, &size) : 0;
  const size_t most = (size_t)1 << 22;
  if (floats > most) return 0;
  guarded constants = random_floats(floats, 1);
  void *layer = groupnl_layer_new(&l, constants.floats, &why);
  const int bad = layer == NULL && why == NULL;
  groupnl_layer_free(layer);
  guarded_free(&constants);
  return bad ? wrong("no layer and no reason", &l, &size) : 0;
}

int main(int argc, char **argv) {
  const gnl_kernels *set = argc < 4 ? NULL : gnl_named(argv[3]);
  const int blocked = argc > 4 && !strcmp(argv[4], "blocked");
  if (!set || (blocked && !set->blocked)) {
    fprintf(stderr, "no such kernels here; usage: fuzz_alone SEED COUNT INSTRUCTION_SET [plain|blocked]\n");
    return 2;
  }
  setenv("GROUPNL_NATIVE_ISA", set->name, 1);
  const int count = atoi(argv[2]), block = blocked ? groupnl_layer_block() : 0;
  random_start((unsigned)atoi(argv[1]));
  for (int i = 0; i < count; i++)
    if (one_layer(set, block) || one_lie(block)) return 1;
  printf("%s %s: %d layers by themselves, as many lies\n", set->name, blocked ? "blocked" : "plain", count);
  return 0;
}
