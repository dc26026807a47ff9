// ONNX Runtime's C interface, as far as this library uses it: 64 bits, API versions 15 (ONNX Runtime 1.15) to 18. Both
// records only ever grow at their ends, so that what stands here holds for every later runtime.
#pragma once
#include <stddef.h>
#include <stdint.h>

enum { ORT_OLDEST_API = 15, ORT_PARALLEL_API = 17, ORT_NEWEST_API = 18 };
enum { ORT_FAIL = 1, ORT_INVALID_ARGUMENT = 2 };
enum { ORT_TENSOR_FLOAT = 1 };
enum { ORT_REQUIRED, ORT_OPTIONAL };
enum { ORT_LOG_ERROR = 3 };
enum { ORT_MEMORY_DEFAULT = 0 };

typedef struct OrtStatus OrtStatus;  // NULL is success
typedef struct OrtValue OrtValue;
typedef struct OrtTensorTypeAndShapeInfo OrtTensorTypeAndShapeInfo;
typedef struct OrtSessionOptions OrtSessionOptions;
typedef struct OrtCustomOpDomain OrtCustomOpDomain;
typedef struct OrtKernelInfo OrtKernelInfo;
typedef struct OrtKernelContext OrtKernelContext;
typedef struct OrtLogger OrtLogger;
typedef struct OrtCustomOp OrtCustomOp;
typedef struct OrtApi OrtApi;

typedef struct {
  const OrtApi *(*GetApi)(uint32_t version);  // NULL where the runtime is older than this version
  const char *(*GetVersionString)(void);
} OrtApiBase;

typedef void (*ort_void)(void);  // a function that is not used

struct OrtApi {
  OrtStatus *(*CreateStatus)(int code, const char *message);
  ort_void unused_1[1];
  const char *(*GetErrorMessage)(const OrtStatus *);
  ort_void unused_3[23];
  OrtStatus *(*CreateCustomOpDomain)(const char *name, OrtCustomOpDomain **);
  OrtStatus *(*CustomOpDomain_Add)(OrtCustomOpDomain *, const OrtCustomOp *);
  OrtStatus *(*AddCustomOpDomain)(OrtSessionOptions *, OrtCustomOpDomain *);
  ort_void unused_29[22];
  OrtStatus *(*GetTensorMutableData)(OrtValue *, void **);
  ort_void unused_52[8];
  OrtStatus *(*GetTensorElementType)(const OrtTensorTypeAndShapeInfo *, int *);
  OrtStatus *(*GetDimensionsCount)(const OrtTensorTypeAndShapeInfo *, size_t *);
  OrtStatus *(*GetDimensions)(const OrtTensorTypeAndShapeInfo *, int64_t *, size_t count);
  ort_void unused_63[2];
  OrtStatus *(*GetTensorTypeAndShape)(const OrtValue *, OrtTensorTypeAndShapeInfo **);
  ort_void unused_66[19];
  OrtStatus *(*KernelInfoGetAttribute_float)(const OrtKernelInfo *, const char *name, float *);
  OrtStatus *(*KernelInfoGetAttribute_int64)(const OrtKernelInfo *, const char *name, int64_t *);
  ort_void unused_87[1];
  OrtStatus *(*KernelContext_GetInputCount)(const OrtKernelContext *, size_t *);
  OrtStatus *(*KernelContext_GetOutputCount)(const OrtKernelContext *, size_t *);
  OrtStatus *(*KernelContext_GetInput)(const OrtKernelContext *, size_t index, const OrtValue **);
  OrtStatus *(*KernelContext_GetOutput)(OrtKernelContext *, size_t index, const int64_t *dims, size_t rank, OrtValue **);
  ort_void unused_92[1];
  void (*ReleaseStatus)(OrtStatus *);
  ort_void unused_94[5];
  void (*ReleaseTensorTypeAndShapeInfo)(OrtTensorTypeAndShapeInfo *);
  ort_void unused_100[1];
  void (*ReleaseCustomOpDomain)(OrtCustomOpDomain *);
  ort_void unused_102[61];
  OrtStatus *(*KernelInfoGetAttributeArray_int64)(const OrtKernelInfo *, const char *name, int64_t *, size_t *count);
  ort_void unused_164[80];
  OrtStatus *(*KernelInfo_GetNodeName)(const OrtKernelInfo *, char *, size_t *bytes);
  OrtStatus *(*KernelInfo_GetLogger)(const OrtKernelInfo *, const OrtLogger **);
  OrtStatus *(*KernelContext_GetLogger)(const OrtKernelContext *, const OrtLogger **);
  OrtStatus *(*Logger_LogMessage)(const OrtLogger *, int severity, const char *message, const char *file, int line,
                                  const char *function);
  ort_void unused_248[1];
  OrtStatus *(*KernelInfoGetConstantInput_tensor)(const OrtKernelInfo *, size_t index, int *constant, const OrtValue **);
  ort_void unused_250[24];
  OrtStatus *(*KernelContext_ParallelFor)(const OrtKernelContext *, void (*)(void *, size_t), size_t total,
                                          size_t batches, void *);  // from ORT_PARALLEL_API
};

struct OrtCustomOp {
  uint32_t version;
  void *(*CreateKernel)(const OrtCustomOp *, const OrtApi *, const OrtKernelInfo *);
  const char *(*GetName)(const OrtCustomOp *);
  const char *(*GetExecutionProviderType)(const OrtCustomOp *);
  int (*GetInputType)(const OrtCustomOp *, size_t);
  size_t (*GetInputTypeCount)(const OrtCustomOp *);
  int (*GetOutputType)(const OrtCustomOp *, size_t);
  size_t (*GetOutputTypeCount)(const OrtCustomOp *);
  void (*KernelCompute)(void *kernel, OrtKernelContext *);
  void (*KernelDestroy)(void *kernel);
  int (*GetInputCharacteristic)(const OrtCustomOp *, size_t);
  int (*GetOutputCharacteristic)(const OrtCustomOp *, size_t);
  int (*GetInputMemoryType)(const OrtCustomOp *, size_t);
  ort_void variadic[4];
  OrtStatus *(*CreateKernelV2)(const OrtCustomOp *, const OrtApi *, const OrtKernelInfo *, void **kernel);  // from 16
  OrtStatus *(*KernelComputeV2)(void *kernel, OrtKernelContext *);
  ort_void shapes_and_versions[3];                               // from 17
  size_t (*GetMayInplace)(int **inputs, int **outputs);          // from 18
  void (*ReleaseMayInplace)(int *inputs, int *outputs);
  ort_void alias[2];
};

#define ORT_AT(record, member, index) \
  _Static_assert(offsetof(record, member) == (index) * sizeof(void *), #member " stands elsewhere")
ORT_AT(OrtApi, GetErrorMessage, 2);
ORT_AT(OrtApi, CreateCustomOpDomain, 26);
ORT_AT(OrtApi, GetTensorMutableData, 51);
ORT_AT(OrtApi, GetTensorElementType, 60);
ORT_AT(OrtApi, GetTensorTypeAndShape, 65);
ORT_AT(OrtApi, KernelInfoGetAttribute_float, 85);
ORT_AT(OrtApi, KernelContext_GetInputCount, 88);
ORT_AT(OrtApi, KernelContext_GetOutput, 91);
ORT_AT(OrtApi, ReleaseStatus, 93);
ORT_AT(OrtApi, ReleaseTensorTypeAndShapeInfo, 99);
ORT_AT(OrtApi, ReleaseCustomOpDomain, 101);
ORT_AT(OrtApi, KernelInfoGetAttributeArray_int64, 163);
ORT_AT(OrtApi, KernelInfo_GetNodeName, 244);
ORT_AT(OrtApi, Logger_LogMessage, 247);
ORT_AT(OrtApi, KernelInfoGetConstantInput_tensor, 249);
ORT_AT(OrtApi, KernelContext_ParallelFor, 274);
ORT_AT(OrtCustomOp, CreateKernel, 1);
ORT_AT(OrtCustomOp, KernelCompute, 8);
ORT_AT(OrtCustomOp, GetInputMemoryType, 12);
ORT_AT(OrtCustomOp, CreateKernelV2, 17);
ORT_AT(OrtCustomOp, GetMayInplace, 22);
_Static_assert(sizeof(OrtCustomOp) == 208, "the record of an operator has another size");
#undef ORT_AT
