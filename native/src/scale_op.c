// Scale: maps times one gate a channel.
#include "attributes.h"
#include "threads.h"

typedef struct {
  gnl_node node;
  int activation, block;
} scale_node;

enum { PART_FLOATS = 1 << 15, MOST_PARTS = 16 };

typedef struct {
  const scale_node *self;
  gnl_tensor x, gate, y;
  size_t pixels, parts, groups;  // parts of an image; channels, or blocks of them
} run;

static void one_part(void *job, size_t item) {
  const run *r = job;
  const size_t image = item / r->parts, part = item % r->parts, channels = (size_t)r->x.dims[1];
  const size_t skipped = image * channels;
  r->self->node.kernels->scale(r->x.data + skipped * r->pixels, r->gate.data + skipped, r->y.data + skipped * r->pixels,
                               r->pixels, r->self->block, r->self->activation, (int)(r->groups * part / r->parts),
                               (int)(r->groups * (part + 1) / r->parts));
}

static size_t parts_of(const run *r) {
  size_t parts = (size_t)r->x.dims[1] * r->pixels / PART_FLOATS + 1;
  if (parts > MOST_PARTS) parts = MOST_PARTS;
  return parts < r->groups ? parts : r->groups;
}

static OrtStatus *check(const run *r) {
  const int64_t *x = r->x.dims, *g = r->gate.dims;
  const gnl_node *node = &r->self->node;
  if (g[0] != x[0] || g[1] != x[1] || g[2] != 1 || g[3] != 1)
    return gnl_fail(node, "the gate is %lld x %lld x %lld x %lld for %lld images of %lld channels", (long long)g[0],
                    (long long)g[1], (long long)g[2], (long long)g[3], (long long)x[0], (long long)x[1]);
  if (r->self->block && x[1] % r->self->block != 0)
    return gnl_fail(node, "%lld channels are not whole blocks of %d", (long long)x[1], r->self->block);
  return NULL;
}

static OrtStatus *compute(const gnl_node *node, OrtKernelContext *context) {
  run r = {.self = (const scale_node *)node};
  TRY(gnl_read_image(node, context, 0, "X", &r.x));
  TRY(gnl_read_image(node, context, 1, "the gate", &r.gate));
  TRY(check(&r));
  r.y = (gnl_tensor){{r.x.dims[0], r.x.dims[1], r.x.dims[2], r.x.dims[3]}, NULL};
  TRY(gnl_make_output(node, context, 0, &r.y));
  r.pixels = (size_t)r.x.dims[2] * (size_t)r.x.dims[3];
  r.groups = (size_t)(r.self->block ? r.x.dims[1] / r.self->block : r.x.dims[1]);
  r.parts = parts_of(&r);
  return gnl_for_each(node, context, one_part, (size_t)r.x.dims[0] * r.parts, &r);
}

static OrtStatus *create(gnl_node *node, const OrtKernelInfo *info) {
  scale_node *self = (scale_node *)node;
  TRY(gnl_read_common(node, info, &self->activation, &self->block));
  if (self->block && (self->activation == GNL_SIGMOID || self->activation == GNL_HARDSIGMOID))
    return gnl_fail(node, "with activation %d the channels that pad a block would not stay zero", self->activation);
  return node->kernels->scale == NULL ? gnl_fail(node, "there are no %s kernels", node->kernels->name) : NULL;
}

static void destroy(gnl_node *node) { (void)node; }

const gnl_operator gnl_scale_operator = {.name = "Scale",
                                         .node_bytes = sizeof(scale_node),
                                         .inputs = 2,
                                         .required_inputs = 2,
                                         .outputs = 1,
                                         .create = create,
                                         .compute = compute,
                                         .destroy = destroy};
