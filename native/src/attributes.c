#include "attributes.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

OrtStatus *gnl_fail(const gnl_node *node, const char *format, ...) {
  char text[512];
  int used = snprintf(text, sizeof text, "%s: ", node->operator->name);
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text + used, sizeof text - (size_t)used, format, arguments);
  va_end(arguments);
  return node->api->CreateStatus(ORT_INVALID_ARGUMENT, text);
}

// Whether a call of the runtime failed, whose own words are dropped: what follows says it better.
static int failed(const gnl_node *node, OrtStatus *status) {
  if (status == NULL) return 0;
  node->api->ReleaseStatus(status);
  return 1;
}

static OrtStatus *in_range(const gnl_node *node, const char *name, int64_t given, int least, int most, int *value) {
  if (given < least || given > most)
    return gnl_fail(node, "%s is %lld; it must be %d to %d", name, (long long)given, least, most);
  *value = (int)given;
  return NULL;
}

OrtStatus *gnl_read_int(const gnl_node *node, const OrtKernelInfo *info, const char *name, int least, int most,
                        int *value) {
  int64_t given;
  if (failed(node, node->api->KernelInfoGetAttribute_int64(info, name, &given)))
    return gnl_fail(node, "the attribute %s is missing or no whole number", name);
  return in_range(node, name, given, least, most, value);
}

OrtStatus *gnl_read_optional(const gnl_node *node, const OrtKernelInfo *info, const char *name, int least, int most,
                             int *value) {
  int64_t given;
  if (failed(node, node->api->KernelInfoGetAttribute_int64(info, name, &given))) return NULL;
  return in_range(node, name, given, least, most, value);
}

OrtStatus *gnl_read_ints(const gnl_node *node, const OrtKernelInfo *info, const char *name, size_t count, int least,
                         int most, int *const *values) {
  int64_t given[4];
  size_t found = count;
  if (failed(node, node->api->KernelInfoGetAttributeArray_int64(info, name, given, &found)) || found != count)
    return gnl_fail(node, "the attribute %s is missing or not %zu whole numbers", name, count);
  for (size_t i = 0; i < count; i++) TRY(in_range(node, name, given[i], least, most, values[i]));
  return NULL;
}

OrtStatus *gnl_read_float(const gnl_node *node, const OrtKernelInfo *info, const char *name, float *value) {
  if (failed(node, node->api->KernelInfoGetAttribute_float(info, name, value)))
    return gnl_fail(node, "the attribute %s is missing or no number", name);
  if (!isfinite(*value) || *value < 0) return gnl_fail(node, "%s is %g; it must be a number from 0", name, *value);
  return NULL;
}

static OrtStatus *read_version(const gnl_node *node, const OrtKernelInfo *info) {
  int version = 1;
  TRY(gnl_read_optional(node, info, "version", 1, INT32_MAX, &version));
  if (version > GNL_OPERATOR_SET)
    return gnl_fail(node, "the graph needs version %d of groupnl.native, and this library has %d; update it", version,
                    GNL_OPERATOR_SET);
  return NULL;
}

static OrtStatus *read_block(const gnl_node *node, const OrtKernelInfo *info, int *block) {
  TRY(gnl_read_int(node, info, "block", 0, 1 << 10, block));
  if (*block != 0 && *block != 8 && *block != 16)
    return gnl_fail(node, "block is %d; it must be 0, 8 or 16", *block);
  if (*block == 0 || *block == node->kernels->block) return NULL;
  if (node->kernels->block < 8)  // those of four lanes are for ncnn
    return gnl_fail(node, "the graph is in blocks of %d, and the kernels of this processor (%s) know no blocks", *block,
                    node->kernels->name);
  return gnl_fail(node, "the graph is in blocks of %d, and the kernels of this processor (%s) need blocks of %d", *block,
                  node->kernels->name, node->kernels->block);
}

OrtStatus *gnl_read_common(const gnl_node *node, const OrtKernelInfo *info, int *activation, int *block) {
  TRY(read_version(node, info));
  TRY(gnl_read_int(node, info, "activation", 0, GNL_ACTIVATIONS - 1, activation));
  return read_block(node, info, block);
}

// Dimensions and data of a tensor of float32, all of whose dimensions are 1 … INT32_MAX.
static OrtStatus *read_shape(const gnl_node *node, const OrtTensorTypeAndShapeInfo *shape, const char *what, size_t rank,
                             gnl_tensor *tensor) {
  size_t found;
  int type;
  TRY(node->api->GetTensorElementType(shape, &type));
  if (type != ORT_TENSOR_FLOAT) return gnl_fail(node, "%s is not float32", what);
  TRY(node->api->GetDimensionsCount(shape, &found));
  if (found != rank) return gnl_fail(node, "%s has %zu dimensions, not %zu", what, found, rank);
  TRY(node->api->GetDimensions(shape, tensor->dims, rank));
  for (size_t i = 0; i < rank; i++)
    if (tensor->dims[i] < 1 || tensor->dims[i] > INT32_MAX)
      return gnl_fail(node, "dimension %zu of %s is %lld", i, what, (long long)tensor->dims[i]);
  return NULL;
}

static OrtStatus *read_tensor(const gnl_node *node, const OrtValue *value, const char *what, size_t rank,
                              gnl_tensor *tensor) {
  OrtTensorTypeAndShapeInfo *shape;
  TRY(node->api->GetTensorTypeAndShape(value, &shape));
  OrtStatus *status = read_shape(node, shape, what, rank, tensor);
  node->api->ReleaseTensorTypeAndShapeInfo(shape);
  TRY(status);
  return node->api->GetTensorMutableData((OrtValue *)value, (void **)&tensor->data);
}

OrtStatus *gnl_read_constant(const gnl_node *node, const OrtKernelInfo *info, size_t input, const char *what,
                             size_t rank, gnl_tensor *tensor) {
  int constant = 0;
  const OrtValue *value = NULL;
  OrtStatus *status = node->api->KernelInfoGetConstantInput_tensor(info, input, &constant, &value);
  if (failed(node, status) || !constant || value == NULL)
    return gnl_fail(node, "input %zu, %s, must be an initializer of the graph", input, what);
  return read_tensor(node, value, what, rank, tensor);
}

OrtStatus *gnl_find_constant(const gnl_node *node, const OrtKernelContext *context, size_t input, const float **data) {
  const OrtValue *value = NULL;
  TRY(node->api->KernelContext_GetInput(context, input, &value));
  return node->api->GetTensorMutableData((OrtValue *)value, (void **)data);
}

OrtStatus *gnl_read_optional_image(const gnl_node *node, const OrtKernelContext *context, size_t input,
                                   const char *what, gnl_tensor *tensor) {
  size_t count;
  const OrtValue *value = NULL;
  tensor->data = NULL;
  TRY(node->api->KernelContext_GetInputCount(context, &count));
  if (input >= count) return NULL;
  TRY(node->api->KernelContext_GetInput(context, input, &value));
  return value == NULL ? NULL : read_tensor(node, value, what, 4, tensor);
}

OrtStatus *gnl_read_image(const gnl_node *node, const OrtKernelContext *context, size_t input, const char *what,
                          gnl_tensor *tensor) {
  TRY(gnl_read_optional_image(node, context, input, what, tensor));
  return tensor->data == NULL ? gnl_fail(node, "%s is missing", what) : NULL;
}

OrtStatus *gnl_make_optional_output(const gnl_node *node, OrtKernelContext *context, size_t output,
                                    gnl_tensor *tensor) {
  size_t count;
  OrtValue *value = NULL;
  tensor->data = NULL;
  TRY(node->api->KernelContext_GetOutputCount(context, &count));
  if (output >= count) return NULL;
  TRY(node->api->KernelContext_GetOutput(context, output, tensor->dims, 4, &value));
  return value == NULL ? NULL : node->api->GetTensorMutableData(value, (void **)&tensor->data);
}

OrtStatus *gnl_make_output(const gnl_node *node, OrtKernelContext *context, size_t output, gnl_tensor *tensor) {
  TRY(gnl_make_optional_output(node, context, output, tensor));
  return tensor->data == NULL ? gnl_fail(node, "the runtime gave no memory for output %zu", output) : NULL;
}

void gnl_spoil(const gnl_tensor *tensor) {
  const int64_t *d = tensor->dims, count = tensor->data == NULL ? 0 : d[0] * d[1] * d[2] * d[3];
  for (int64_t i = 0; i < count; i++) tensor->data[i] = NAN;
}
