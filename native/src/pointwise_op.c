// Pointwise: a convolution over single pixels, its residual and activation inside.
#include "attributes.h"
#include "memory.h"
#include "threads.h"

typedef struct {
  gnl_node node;
  gnl_pointwise product;
} pointwise_node;

typedef struct {
  const pointwise_node *self;
  const float *weight, *bias;
  gnl_tensor x, residual, y;
  size_t pixels, scratch_bytes;
  int bands;
  _Atomic int starved;
} run;

static OrtStatus *create(gnl_node *node, const OrtKernelInfo *info) {
  pointwise_node *self = (pointwise_node *)node;
  gnl_tensor weight, bias;
  int block;
  TRY(gnl_read_common(node, info, &self->product.activation, &block));
  if (block != 0) return gnl_fail(node, "block is %d; this operator is for plain images, block 0", block);
  TRY(gnl_read_constant(node, info, 1, "W", 2, &weight));
  TRY(gnl_read_constant(node, info, 2, "B", 1, &bias));
  if (weight.dims[0] > GNL_MOST_CHANNELS || weight.dims[1] > GNL_MOST_CHANNELS || bias.dims[0] != weight.dims[0])
    return gnl_fail(node, "W is %lld x %lld and B has %lld numbers", (long long)weight.dims[0],
                    (long long)weight.dims[1], (long long)bias.dims[0]);
  self->product.out_channels = (int)weight.dims[0], self->product.in_channels = (int)weight.dims[1];
  if (node->kernels->pointwise == NULL) return gnl_fail(node, "there are no %s kernels", node->kernels->name);
  return NULL;
}

static void destroy(gnl_node *node) { (void)node; }

static void one_band(void *job, size_t item) {
  run *r = job;
  const size_t image = item / (size_t)r->bands;
  const size_t in = image * (size_t)r->x.dims[1] * r->pixels, out = image * (size_t)r->y.dims[1] * r->pixels;
  void *scratch = gnl_borrow(r->scratch_bytes);
  if (scratch == NULL) {
    r->starved = 1;
    return;
  }
  r->self->node.kernels->pointwise->band(&r->self->product, r->pixels, r->bands, r->weight, r->bias, r->x.data + in,
                                         r->residual.data == NULL ? NULL : r->residual.data + out, r->y.data + out,
                                         (int)(item % (size_t)r->bands), scratch);
  gnl_return(scratch);
}

static OrtStatus *check(const run *r) {
  const gnl_node *node = &r->self->node;
  const int64_t *x = r->x.dims, *y = r->y.dims, *given = r->residual.dims;
  if (x[1] != r->self->product.in_channels)
    return gnl_fail(node, "X has %lld channels, not %d", (long long)x[1], r->self->product.in_channels);
  if (x[2] * x[3] > GNL_MOST_PIXELS)
    return gnl_fail(node, "X has %lld x %lld pixels", (long long)x[2], (long long)x[3]);
  for (int i = 0; i < 4 && r->residual.data != NULL; i++)
    if (given[i] != y[i])
      return gnl_fail(node, "dimension %d of R is %lld, and of Y %lld", i, (long long)given[i], (long long)y[i]);
  return NULL;
}

static OrtStatus *compute(const gnl_node *node, OrtKernelContext *context) {
  run r = {.self = (const pointwise_node *)node};
  const gnl_pointwise_kernels *kernels = node->kernels->pointwise;
  TRY(gnl_read_image(node, context, 0, "X", &r.x));
  TRY(gnl_find_constant(node, context, 1, &r.weight));
  TRY(gnl_find_constant(node, context, 2, &r.bias));
  TRY(gnl_read_optional_image(node, context, 3, "R", &r.residual));
  r.y = (gnl_tensor){{r.x.dims[0], r.self->product.out_channels, r.x.dims[2], r.x.dims[3]}, NULL};
  TRY(check(&r));
  TRY(gnl_make_output(node, context, 0, &r.y));
  r.pixels = (size_t)(r.x.dims[2] * r.x.dims[3]);
  r.bands = kernels->bands(&r.self->product, r.pixels);
  r.scratch_bytes = kernels->scratch_bytes(&r.self->product, r.pixels, r.bands);
  OrtStatus *status = gnl_for_each(node, context, one_band, (size_t)r.x.dims[0] * (size_t)r.bands, &r);
  if (status == NULL && r.starved)
    status = gnl_fail(node, "there is no memory for %zu bytes to work in", r.scratch_bytes);
  if (status != NULL) gnl_spoil(&r.y);
  return status;
}

const gnl_operator gnl_pointwise_operator = {.name = "Pointwise",
                                             .node_bytes = sizeof(pointwise_node),
                                             .inputs = 4,
                                             .required_inputs = 3,
                                             .outputs = 1,
                                             .create = create,
                                             .compute = compute,
                                             .destroy = destroy};
