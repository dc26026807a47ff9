// An operator as ONNX Runtime meets it, and a node of a graph: what register.c knows of the files *_op.c.
#pragma once
#include "groupnl_native.h"
#include "onnxruntime.h"

enum { GNL_OPERATOR_SET = 1 };  // VERSION of exporters/native/operators.py

typedef struct gnl_operator gnl_operator;

// What every node begins with.
typedef struct {
  const OrtApi *api;
  const gnl_operator *operator;
  const gnl_kernels *kernels;
  int parallel;  // whether the runtime lends us its threads
} gnl_node;

struct gnl_operator {
  const char *name;
  size_t node_bytes;
  size_t inputs, required_inputs, outputs;  // the first output is required
  OrtStatus *(*create)(gnl_node *, const OrtKernelInfo *);  // of a zeroed node; `destroy` follows even where it fails
  OrtStatus *(*compute)(const gnl_node *, OrtKernelContext *);
  void (*destroy)(gnl_node *);                 // what the node holds, not itself
};

extern const gnl_operator gnl_groupnl_operator, gnl_generate_operator, gnl_depthwise_operator, gnl_scale_operator,
    gnl_pointwise_operator;

#define TRY(call)                        \
  do {                                   \
    OrtStatus *status_ = (call);         \
    if (status_ != NULL) return status_; \
  } while (0)

// An error whose text begins with the operator's name.
OrtStatus *gnl_fail(const gnl_node *, const char *format, ...) __attribute__((format(printf, 2, 3)));
