// What ONNX Runtime calls: the library registers the operators of groupnl.native in a session's options.
//
// Nothing here is ever rewritten: the records are constants, one set for each version of the interface that changes
// what we may do, and a node keeps the runtime's table that it was made with. So registering is safe from any thread.
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "memory.h"
#include "operator.h"

#define EXPORTED __attribute__((visibility("default")))

typedef struct {
  OrtCustomOp runtime;  // first: the runtime hands us a pointer to it
  const gnl_operator *operator;
} record;

static const gnl_operator *operator_of(const OrtCustomOp *op) { return ((const record *)(const void *)op)->operator; }

static void destroy(void *kernel) {
  gnl_node *node = kernel;
  if (node == NULL) return;
  node->operator->destroy(node);
  free(node);
  gnl_node_dies();
}

// The operator's own words, and which node of the graph they are about.
static OrtStatus *name_node(const OrtApi *api, const OrtKernelInfo *info, OrtStatus *status) {
  char name[128] = "", text[768];
  size_t bytes = sizeof name;
  OrtStatus *unnamed = api->KernelInfo_GetNodeName(info, name, &bytes);
  if (unnamed != NULL) api->ReleaseStatus(unnamed);
  if (unnamed != NULL || name[0] == '\0') return status;
  snprintf(text, sizeof text, "%s (node %s)", api->GetErrorMessage(status), name);
  api->ReleaseStatus(status);
  return api->CreateStatus(ORT_INVALID_ARGUMENT, text);
}

static OrtStatus *create(const OrtCustomOp *op, const OrtApi *api, const OrtKernelInfo *info, void **kernel) {
  const gnl_operator *operator = operator_of(op);
  gnl_node *node = calloc(1, operator->node_bytes);
  if (node == NULL) return api->CreateStatus(ORT_FAIL, "groupnl.native: out of memory");
  *node = (gnl_node){api, operator, gnl_best(), op->version >= ORT_PARALLEL_API};
  gnl_node_lives();
  OrtStatus *status = operator->create(node, info);
  if (status == NULL) return *kernel = node, NULL;
  destroy(node);
  return name_node(api, info, status);
}

static OrtStatus *compute(void *kernel, OrtKernelContext *context) {
  const gnl_node *node = kernel;
  return node->operator->compute(node, context);
}

// Interface 15 takes no errors of us: the reason is logged, and the outputs stay unset, which fails the run, or
// are no numbers.
static void log_15(const OrtApi *api, const OrtLogger *logger, OrtStatus *reason) {
  OrtStatus *failed = api->Logger_LogMessage(logger, ORT_LOG_ERROR, api->GetErrorMessage(reason), "", 0, "");
  if (failed != NULL) api->ReleaseStatus(failed);
  api->ReleaseStatus(reason);
}

static void *create_15(const OrtCustomOp *op, const OrtApi *api, const OrtKernelInfo *info) {
  void *kernel = NULL;
  const OrtLogger *logger;
  OrtStatus *reason = create(op, api, info, &kernel);
  if (reason != NULL && api->KernelInfo_GetLogger(info, &logger) == NULL) log_15(api, logger, reason);
  return kernel;
}

static void compute_15(void *kernel, OrtKernelContext *context) {
  if (kernel == NULL) return;
  const OrtApi *api = ((const gnl_node *)kernel)->api;
  const OrtLogger *logger;
  OrtStatus *reason = compute(kernel, context);
  if (reason != NULL && api->KernelContext_GetLogger(context, &logger) == NULL) log_15(api, logger, reason);
}

static const char *name(const OrtCustomOp *op) { return operator_of(op)->name; }
static const char *any_processor(const OrtCustomOp *op) { return (void)op, NULL; }
static int float32(const OrtCustomOp *op, size_t i) { return (void)op, (void)i, ORT_TENSOR_FLOAT; }
static int anywhere(const OrtCustomOp *op, size_t i) { return (void)op, (void)i, ORT_MEMORY_DEFAULT; }
static size_t inputs(const OrtCustomOp *op) { return operator_of(op)->inputs; }
static size_t outputs(const OrtCustomOp *op) { return operator_of(op)->outputs; }
static int input_kind(const OrtCustomOp *op, size_t i) {
  return i < operator_of(op)->required_inputs ? ORT_REQUIRED : ORT_OPTIONAL;
}
static int output_kind(const OrtCustomOp *op, size_t i) { return (void)op, i == 0 ? ORT_REQUIRED : ORT_OPTIONAL; }
static void keep(int *in, int *out) { (void)in, (void)out; }  // they are static

static size_t first_in_place(int **in, int **out) {
  static int zero = 0;
  return *in = &zero, *out = &zero, (size_t)1;
}
static size_t fourth_in_place(int **in, int **out) {
  static int three = 3, zero = 0;
  return *in = &three, *out = &zero, (size_t)1;
}

#define RECORD(api_version, of, mapping)                                                                      \
  {{.version = api_version, .CreateKernel = create_15, .GetName = name, .GetExecutionProviderType = any_processor, \
    .GetInputType = float32, .GetInputTypeCount = inputs, .GetOutputType = float32, .GetOutputTypeCount = outputs, \
    .KernelCompute = compute_15, .KernelDestroy = destroy, .GetInputCharacteristic = input_kind,               \
    .GetOutputCharacteristic = output_kind, .GetInputMemoryType = anywhere, .CreateKernelV2 = create,          \
    .KernelComputeV2 = compute, .GetMayInplace = mapping, .ReleaseMayInplace = keep},                          \
   &of}
#define RECORDS(api_version)                                                              \
  {RECORD(api_version, gnl_groupnl_operator, NULL), RECORD(api_version, gnl_generate_operator, NULL), \
   RECORD(api_version, gnl_depthwise_operator, NULL),                                     \
   RECORD(api_version, gnl_scale_operator, first_in_place),                               \
   RECORD(api_version, gnl_pointwise_operator, fourth_in_place)}

enum { INTERFACES = ORT_NEWEST_API - ORT_OLDEST_API + 1, OPERATORS = 5 };
static const record records[INTERFACES][OPERATORS] = {RECORDS(15), RECORDS(16), RECORDS(17), RECORDS(18)};

// The domain of each runtime of this process (as a rule there is one), made once and shared by all its sessions.
typedef struct domain {
  const OrtApiBase *base;
  const OrtApi *api;
  OrtCustomOpDomain *operators;
  struct domain *next;
} domain;

static _Atomic(domain *) domains;

static OrtStatus *fill(const OrtApi *api, OrtCustomOpDomain *operators, const record *set) {
  for (int i = 0; i < OPERATORS; i++) TRY(api->CustomOpDomain_Add(operators, &set[i].runtime));
  return NULL;
}

static OrtStatus *make_domain(const OrtApi *api, uint32_t version, OrtCustomOpDomain **made) {
  TRY(api->CreateCustomOpDomain("groupnl.native", made));
  OrtStatus *status = fill(api, *made, records[version - ORT_OLDEST_API]);
  if (status != NULL) api->ReleaseCustomOpDomain(*made);
  return status;
}

static domain *find(domain *from, const OrtApiBase *base) {
  while (from != NULL && from->base != base) from = from->next;
  return from;
}

static void forget(domain *entry) {
  entry->api->ReleaseCustomOpDomain(entry->operators);
  free(entry);
}

// Puts the entry in front, unless another thread was faster with one of the same runtime.
static domain *publish(domain *entry) {
  entry->next = atomic_load(&domains);
  while (find(entry->next, entry->base) == NULL)
    if (atomic_compare_exchange_weak(&domains, &entry->next, entry)) return entry;
  domain *other = find(entry->next, entry->base);
  forget(entry);
  return other;
}

static OrtStatus *domain_of(const OrtApiBase *base, const OrtApi *api, uint32_t version, domain **found) {
  if ((*found = find(atomic_load(&domains), base)) != NULL) return NULL;
  OrtCustomOpDomain *operators;
  TRY(make_domain(api, version, &operators));
  domain *entry = malloc(sizeof *entry);
  if (entry == NULL) {
    api->ReleaseCustomOpDomain(operators);
    return api->CreateStatus(ORT_FAIL, "groupnl.native: out of memory");
  }
  *entry = (domain){base, api, operators, NULL};
  *found = publish(entry);
  return NULL;
}

// When the library is unloaded nobody has sessions with its operators any more.
__attribute__((destructor)) static void unload(void) {
  for (domain *entry = atomic_exchange(&domains, NULL), *next; entry != NULL; entry = next) {
    next = entry->next;
    forget(entry);
  }
}

static OrtStatus *too_old(const OrtApiBase *base) {
  char text[160];
  snprintf(text, sizeof text, "groupnl.native needs ONNX Runtime 1.15 or newer, and this is %s; export without native",
           base->GetVersionString());
  const OrtApi *api = base->GetApi(1);
  return api == NULL ? NULL : api->CreateStatus(ORT_FAIL, text);
}

EXPORTED OrtStatus *RegisterCustomOps(OrtSessionOptions *options, const OrtApiBase *base) {
  unsigned major = 0, minor = 0;
  sscanf(base->GetVersionString(), "%u.%u", &major, &minor);
  const uint32_t version = major > 1 || minor > ORT_NEWEST_API ? ORT_NEWEST_API : minor;
  const OrtApi *api = version < ORT_OLDEST_API ? NULL : base->GetApi(version);
  if (api == NULL) return too_old(base);
  domain *found;
  TRY(domain_of(base, api, version, &found));
  return api->AddCustomOpDomain(options, found->operators);
}

// The version of the operator set that this library has.
EXPORTED int groupnl_native_version(void) { return GNL_OPERATOR_SET; }

// The name of the kernels that sessions get on this processor.
EXPORTED const char *groupnl_native_instructions(void) { return gnl_best()->name; }
